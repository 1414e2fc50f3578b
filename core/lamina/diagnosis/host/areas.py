"""All that is looked at, area by area."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from lamina.api import names_from_exports
from lamina.client import Client, Plugin
from lamina.config import GRPC_SERVER, HostConfig
from lamina.diagnosis import AS_ROOT, directory, kernel, kernel_log, lock, privileges
from lamina.diagnosis.host import _plugins as plugins
from lamina.diagnosis.host._configuration import configuration
from lamina.diagnosis.host._containerd import containerd
from lamina.diagnosis.host._snapshot import snapshot
from lamina.diagnosis.host.configured import ConfiguredHost
from lamina.diagnosis.host.names import snapshotter_names
from lamina.diagnosis.host.probe import SECONDS, HostProbe, probe_host
from lamina.errdefs import Error
from lamina.fs import Trust
from lamina.places import LOCK, default_address
from lamina.plugin import Finding, PluginType
from lamina.plugin import diagnose as diagnose_plugin

_DEADLINE: Final = 60.0
"""Seconds that one plugin may take."""


@attrs.frozen
class _Area:
    """Findings of one kind."""

    name: str
    findings: Iterable[Finding]


def findings(
    site: ConfiguredHost, key: str, snapshotter: str | None, default: Callable[[Sequence[Plugin]], str]
) -> Iterator[tuple[str, Finding]]:
    """All findings, each after the name of its area.

    Args:
        site: The host.
        key: A snapshot to look at; "": none.
        snapshotter: The only snapshotter to look at, by any of its names; None: all, or that of `key`.
        default: Chooses the snapshotter of `key` from the host's plugins where none is named.
    """
    probe = probe_host(site.address, site.command("serve", overridden=True))
    site = site.of_host(probe.plugins)
    for area in _areas(key, snapshotter or (default(probe.plugins) if key else ""), site, probe):
        try:
            for finding in area.findings:
                yield area.name, finding
        except (Error, OSError) as error:
            yield area.name, Finding.unknown("everything else", str(error), AS_ROOT)


def _areas(key: str, name: str, site: ConfiguredHost, probe: HostProbe) -> Iterator[_Area]:
    id_ = snapshotter_names(site.prepared).get(name, name) if site.prepared else name
    wanted = f"{PluginType.SNAPSHOTTER}.{id_}" if id_ else ""
    yield _Area("configuration", configuration(site))
    yield _Area("host", [*probe.findings, *another_host(site)])
    yield _Area("plugins", _plugins(site, probe, wanted))
    if probe.answers:
        yield _Area("containerd", containerd(site.address, probe.plugins))
    yield _Area("kernel", kernel())
    yield _Area("kernel log", kernel_log())  # before anything is tried, of which it would tell too
    yield _Area("privileges", privileges(probe.pid))
    if not site.is_known:
        yield _Area("directories", [unknown_place(site)])
    elif site.config is not None:
        yield _Area("directories", _directories(site, site.config.host, probe.pid))
        yield from _own(site, probe.pid, wanted)
    if key:
        yield _Area(f"snapshot {key}", _snapshot(site.address, name, key, probe))


def _plugins(site: ConfiguredHost, probe: HostProbe, wanted: str) -> Iterator[Finding]:
    if not probe.answers:
        return plugins.of_site(site, site.command("plugins why"))
    elsewhere = "" if site.address == default_address() else f" -a {shlex.quote(site.address)}"
    return plugins.of_host(probe.plugins, f"lamina plugins why{elsewhere}", wanted)


def _directories(site: ConfiguredHost, config: HostConfig, host_pid: int | None) -> Iterator[Finding]:
    address = site.address
    yield from directory("root", config.root, lasts=True)
    yield lock("lock of root", f"{config.root}/{LOCK}", host_pid)
    yield from directory("state", config.state)
    if os.path.dirname(address) != config.state:
        yield from directory(
            "socket's directory", os.path.dirname(address), shared=True, trust=_socket_trust(site)
        )
    yield lock("lock of the socket", f"{address}.lock", host_pid)
    if config.temp:
        yield from directory("temp", config.temp, shared=True)


def _socket_trust(site: ConfiguredHost) -> Trust:
    """Who may write to the socket's directory, as the listener sees it."""
    listener = site.prepared.configs.get(GRPC_SERVER) if site.prepared else None
    return Trust.of_process().with_owner(getattr(listener, "uid", -1), getattr(listener, "gid", -1))


def another_host(site: ConfiguredHost) -> Iterator[Finding]:
    """The finding where the host that answers is not the one whose directories were named."""
    if site.another_host and site.config is not None:
        yield Finding.warning(
            "directories",
            f"the host that answers at {site.address} uses root {site.another_host}, and what is named here is "
            f"{site.config.host.root}, which is looked at",
            f"to look at the one that answers, name nothing but its address: -a {shlex.quote(site.address)}",
        )


def unknown_place(site: ConfiguredHost) -> Finding:
    """The finding where an address is named of a host that does not answer, and its directories are not."""
    found = f"no host answers at {site.address}, and where one of that address keeps its data is not known"
    remedy = "name its configuration (-c FILE), or its directories (--root DIR --state DIR)"
    return Finding.unknown("root and state", found, remedy)


def _own(site: ConfiguredHost, host_pid: int | None, wanted: str) -> Iterator[_Area]:
    """What plugins say of themselves; of snapshotters only the one that is wanted, if one is."""
    if site.prepared is None:
        return
    prepared, host = site.prepared, site.prepared.config.host
    for registration in prepared.plan.order:
        if registration.type == PluginType.SNAPSHOTTER and wanted not in {"", registration.uri}:
            continue
        found = diagnose_plugin(
            registration,
            config=prepared.configs.get(registration.uri),
            root=Path(host.root),
            state=Path(host.state),
            host_pid=host_pid,
            exports=site.exports.get(registration.uri, {}),
            seconds=_DEADLINE,
        )
        yield _Area(registration.uri, found)


def _snapshot(address: str, name: str, key: str, probe: HostProbe) -> Iterator[Finding]:
    if not probe.answers:
        yield Finding.problem("record", "the host cannot be asked for it", "see host, above")
        return
    with Client(address, timeout=SECONDS, brief=True) as client:
        yield from snapshot(client, name, key, probe.pid, _names(probe))


def _names(probe: HostProbe) -> Iterator[str]:
    """The names of its snapshotters, those of which each is a keyspace first."""
    for plugin in probe.plugins:
        if plugin.uri == f"{PluginType.GRPC}.snapshots":
            yield from itertools.chain.from_iterable(names_from_exports(plugin.exports).values())
    for plugin in probe.plugins:
        if plugin.type == PluginType.SNAPSHOTTER and plugin.init_error is None:
            yield plugin.id
