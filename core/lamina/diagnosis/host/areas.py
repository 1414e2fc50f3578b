"""Diagnose a host, area by area."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from lamina.api import names_from_exports
from lamina.client import Client, RemotePlugin
from lamina.config import GRPC_SERVER, HostConfig
from lamina.diagnosis import AS_ROOT, directory, kernel, kernel_log, lock, privileges, user_name
from lamina.diagnosis.host import _plugins as plugins
from lamina.diagnosis.host._containerd import containerd
from lamina.diagnosis.host._files import configuration
from lamina.diagnosis.host._snapshot import snapshot
from lamina.diagnosis.host.configured import ConfiguredHost
from lamina.diagnosis.host.names import snapshotter_id
from lamina.diagnosis.host.probe import SECONDS, HostProbe, probe_host
from lamina.errdefs import Error
from lamina.fs import Trust
from lamina.places import LOCK
from lamina.plugin import Finding, PluginType

_DEADLINE: Final = 60.0
"""Seconds that one plugin may take."""


def findings(
    host: ConfiguredHost, key: str, snapshotter: str | None, default: Callable[[Sequence[RemotePlugin]], str]
) -> Iterator[tuple[str, Finding]]:
    """Yield all findings, each with the name of its area.

    Args:
        host: The host.
        key: The snapshot to check; "" for none.
        snapshotter: Any name of the only snapshotter to check; None: all, or that of `key`.
        default: Chooses the snapshotter of `key` from the host's plugins if none is named.
    """
    probe = probe_host(host.address, host.command("serve", overridden=True))
    host = host.of_host(probe.plugins)
    for area, found in _areas(key, snapshotter or (default(probe.plugins) if key else ""), host, probe):
        try:
            for finding in found:
                yield area, finding
        except (Error, OSError) as error:
            yield area, Finding.unknown("everything else", str(error), AS_ROOT)


def _areas(key: str, name: str, host: ConfiguredHost, probe: HostProbe) -> Iterator[tuple[str, Iterable[Finding]]]:
    """Yield the areas, each with its findings."""
    id_ = snapshotter_id(name, host.prepared)
    wanted = f"{PluginType.SNAPSHOTTER}.{id_}" if id_ else ""
    yield "configuration", configuration(host)
    yield "host", [*probe.findings, *another_host(host)]
    yield "plugins", _plugins(host, probe, wanted)
    if probe.answers:
        yield "containerd", containerd(host.address, probe.plugins)
    yield "kernel", kernel()
    yield "kernel log", kernel_log()  # before any trial, which would log messages too
    yield "privileges", privileges(probe.pid)
    if foreign := of_another_user(probe):
        yield "directories", [foreign]
    elif not host.is_known:
        yield "directories", [unknown_place(host)]
    elif host.config is not None:
        yield "directories", _directories(host, host.config.host, probe.pid)
        yield from host.diagnosed(probe.pid, seconds=_DEADLINE, only=wanted)
    if key:
        yield f"snapshot {key}", _snapshot(host.address, name, key, probe)


def _plugins(host: ConfiguredHost, probe: HostProbe, wanted: str) -> Iterator[Finding]:
    if not probe.answers:
        return plugins.of_configuration(host, host.command("plugins why"))
    return plugins.of_host(probe.plugins, f"lamina plugins why{host.address_option}", wanted)


def _directories(host: ConfiguredHost, config: HostConfig, host_pid: int | None) -> Iterator[Finding]:
    address = host.address
    yield from directory("root", config.root, lasts=True)
    yield lock("lock of root", f"{config.root}/{LOCK}", host_pid)
    yield from directory("state", config.state)
    if os.path.dirname(address) != config.state:
        yield from directory(
            "socket's directory", os.path.dirname(address), shared=True, trust=_socket_trust(host)
        )
    yield lock("lock of the socket", f"{address}.lock", host_pid)
    if config.temp:
        yield from directory("temp", config.temp, shared=True)


def _socket_trust(host: ConfiguredHost) -> Trust:
    """Return the users and groups that may write to the socket's directory, by the listener's rules."""
    listener = host.prepared.configs.get(GRPC_SERVER) if host.prepared else None
    return Trust.of_process().with_owner(getattr(listener, "uid", -1), getattr(listener, "gid", -1))


def another_host(host: ConfiguredHost) -> Iterator[Finding]:
    """Yield a warning if the host that answers uses other directories than those given."""
    if host.another_host and host.config is not None:
        yield Finding.warning(
            "directories",
            f"the host that answers at {host.address} uses root {host.another_host}, but this command checks "
            f"{host.config.host.root}, as given",
            f"to check the host that answers, give only its address: -a {shlex.quote(host.address)}",
        )


def of_another_user(probe: HostProbe) -> Finding | None:
    """Return a finding if root asks about another user's host, the owners of whose files would seem wrong."""
    if not probe.uid or os.geteuid() != 0:
        return None
    user = user_name(probe.uid)
    found = f"the host runs as {user}, and its files may belong to that user, unlike those of root's hosts"
    return Finding.unknown("owners", found, f"run the same command as that user: sudo -u {shlex.quote(user)}")


def unknown_place(host: ConfiguredHost) -> Finding:
    """Return the finding for an address at which no host answers, if its directories are unknown."""
    found = f"no host answers at {host.address}, and the directories of a host with that address are unknown"
    remedy = "give its configuration (-c FILE) or its directories (--root DIR --state DIR)"
    return Finding.unknown("root and state", found, remedy)


def _snapshot(address: str, name: str, key: str, probe: HostProbe) -> Iterator[Finding]:
    if not probe.answers:
        yield Finding.problem("record", "the host does not answer", "see host, above")
        return
    with Client(address, timeout=SECONDS, brief=True) as client:
        yield from snapshot(client, name, key, probe.pid, _names(probe))


def _names(probe: HostProbe) -> Iterator[str]:
    """Yield the names of the host's snapshotters, those that are keyspaces first."""
    for plugin in probe.plugins:
        if plugin.uri == f"{PluginType.GRPC}.snapshots":
            yield from itertools.chain.from_iterable(names_from_exports(plugin.exports).values())
    for plugin in probe.plugins:
        if plugin.type == PluginType.SNAPSHOTTER and plugin.init_error is None:
            yield plugin.id
