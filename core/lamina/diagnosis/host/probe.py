"""Check whether a host runs and this user can connect to it."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import socket
import stat
import struct
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from lamina.client import Client, RemotePlugin
from lamina.config import GRPC_SERVER, default_config_path
from lamina.diagnosis import Process, group_name, lock_holder, ownership, process, user_name
from lamina.errdefs import Error
from lamina.places import default_address
from lamina.plugin import Finding, Repair

SECONDS: Final = 10.0
"""Timeout in seconds of a call to the host."""
_CREDENTIALS: Final = struct.Struct("iii")  # struct ucred: pid, uid, gid (unix(7))
_CHECK: Final = "socket"


@attrs.frozen
class HostProbe:
    """The result of probing a host."""

    findings: tuple[Finding, ...]
    pid: int | None = None
    """Its process, even if this user may not connect to it; None if none is visible."""
    answers: bool = False
    """True if it answers calls."""
    uid: int | None = None
    """The user that it runs as, if it answers."""
    plugins: tuple[RemotePlugin, ...] = ()


def probe_host(address: str, start: str) -> HostProbe:
    """Probe the host behind a socket; `start` is the command that starts it."""
    obstacle = _obstacle(address, start)
    if obstacle is not None:
        return HostProbe((obstacle,))
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(SECONDS)
            probe.connect(address)
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except PermissionError:
        return HostProbe((_forbidden(address),), pid=_lock_holder(address))
    except ConnectionRefusedError:
        found = (
            f"{address} is stale: no process listens there. A host was killed before it could remove the socket"
        )
        stale = Finding.problem(_CHECK, found, f"{start} (it replaces the socket)")
        delete = Repair("delete the socket", functools.partial(os.unlink, address))
        return HostProbe((stale.with_repair(delete),))
    except OSError as error:
        remedy = f"find out who uses it: ss -xlp | grep {shlex.quote(address)}"
        return HostProbe((Finding.problem(_CHECK, f"{address}: {error.strerror or error}", remedy),))
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    return _ask(address, pid, uid, start)


def _ask(address: str, pid: int, uid: int, start: str) -> HostProbe:
    """Call the listening process. A pid of 0 is outside of this pid namespace."""
    who = process(pid) if pid else None
    served = f"{address} ({ownership(os.lstat(address))}) is served by {who or 'a process not visible from here'}"
    findings = [Finding.ok(_CHECK, served)]
    remedy = _restart(who, start) if who else f"check its log and restart it: {start}"
    try:
        with Client(address, timeout=SECONDS, brief=True) as client:
            if client.healthy():
                findings.append(Finding.ok("health", "the host reports that it is serving"))
            else:
                findings.append(Finding.problem("health", "the host reports that it is stopping", remedy))
            plugins = tuple(client.plugins())
            findings.append(_version(client, plugins))
    except Error as error:
        findings.append(Finding.problem("health", f"it does not answer like a host: {error}", remedy))
        return HostProbe(tuple(findings), pid or None)
    return HostProbe(tuple(findings), pid or None, True, uid, plugins)


def _restart(host: Process, start: str) -> str:
    """Return how to inspect and restart a host."""
    look = f"kill -USR1 {host.pid} makes it log its stacks. " if host.writes_stacks else ""
    return f"{look}To restart it: kill {host.pid} or, if that does not stop it, kill -9 {host.pid}; then {start}"


def _version(client: Client, plugins: Sequence[RemotePlugin]) -> Finding:
    from importlib.metadata import version

    theirs, ours = client.version().version, version("lamina")
    if theirs == ours:
        return Finding.ok("version", theirs)
    if not any(plugin.is_of_lamina for plugin in plugins):
        found = f"{theirs} of a server that is not a lamina host"
        return Finding.warning("version", found, "give the socket of a lamina host: -a SOCKET")
    found = f"the host has version {theirs}, this command {ours}"
    return Finding.warning("version", found, "restart the host")


def _obstacle(address: str, start: str) -> Finding | None:
    """Return what prevents every user, or this one, from connecting."""
    try:
        mode = os.lstat(address).st_mode
    except FileNotFoundError:
        return _absent(address, start)
    except NotADirectoryError as error:
        return Finding.problem(_CHECK, f"{address}: {error.strerror}", "set another address")
    except PermissionError:
        return _forbidden(address)
    if stat.S_ISSOCK(mode):
        return None
    return Finding.problem(_CHECK, f"{address} exists but is not a socket", f"mv {address} {address}.old; {start}")


def _absent(address: str, start: str) -> Finding:
    """Return the finding that no host runs there; the user may have meant root's host."""
    found = f"no host runs: there is no {address}"
    roots = default_address(uid=0)
    if address == roots or not os.path.lexists(roots):
        return Finding.warning(_CHECK, found, start)
    about_roots = f"lamina diagnose -a {roots} -c {default_config_path(uid=0)}"
    return Finding.warning(_CHECK, found, f"{start}; or, if you meant root's host: {about_roots}")


def _lock_holder(address: str) -> int | None:
    """Return the owner of a socket to which this user may not connect."""
    with contextlib.suppress(OSError, Error):  # it may not be inspected either
        return lock_holder(f"{address}.lock")
    return None


def _forbidden(address: str) -> Finding:
    """Name the directory, or the socket itself, that this user may not use."""
    user = user_name(os.geteuid())
    for path in _way(address):
        if os.access(path, os.W_OK if path == address else os.X_OK, effective_ids=True):
            continue
        status = os.lstat(path)
        verb = "connect to" if path == address else "enter"
        found = f"{user} may not {verb} {path} ({ownership(status)})"
        return Finding.problem(_CHECK, found, _access_remedy(status, user))
    return Finding.problem(_CHECK, f"{user} may not connect to {address}", "run as root (sudo)")


def _way(address: str) -> Iterator[str]:
    """Yield the ancestors of a path from the root down, then the path."""
    parts = address.split("/")
    for end in range(1, len(parts) + 1):
        yield "/".join(parts[:end]) or "/"


def _access_remedy(status: os.stat_result, user: str) -> str:
    """Return how a user gets access to a file."""
    needed = stat.S_IWGRP if stat.S_ISSOCK(status.st_mode) else stat.S_IXGRP
    if status.st_gid != 0 and status.st_mode & needed:
        group = group_name(status.st_gid)
        return (
            f"run as root (sudo); or usermod -aG {group} {user}, and log in again. Members of {group} have "
            "root's privileges"
        )
    return (
        f'run as root (sudo); or set gid in [plugins."{GRPC_SERVER}"] to the number of a group, restart the '
        f"host, and usermod -aG GROUP {user}. Members of that group have root's privileges"
    )
