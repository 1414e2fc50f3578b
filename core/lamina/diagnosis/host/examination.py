"""What `lamina doctor` asks the configuration, a running host and the disk."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

from lamina.client import Client
from lamina.diagnosis.host.areas import another_host
from lamina.diagnosis.host.configured import ConfiguredHost
from lamina.diagnosis.host.probe import HostProbe, probe_host
from lamina.diagnosis.integrity import Evidence, examine, gather
from lamina.errdefs import NotFound
from lamina.fs import Lock
from lamina.places import default_address
from lamina.plugin import Finding, Verdict, diagnose
from lamina.snapshots.local import layout
from lamina.snapshots.recovery import Places, Watch, inspect_copy
from lamina.snapshots.storage.file import DATA, Contents, read_file

_DEADLINE: Final = 600.0
"""Seconds that one plugin may take."""
_SETTLED: Final = 1.0
"""Seconds after which what a running host was just doing shows in all places."""

Found = list[tuple[str, Finding]]


@attrs.frozen
class Examination:
    """What was found, and whether a host uses what was looked at."""

    found: Found
    host_pid: int | None


@contextlib.contextmanager
def examination(site: ConfiguredHost, watch: Watch) -> Iterator[Examination]:
    """Look at all that a host keeps. Without a host, none can start during the block.

    Args:
        site: Which host.
        watch: Is shown what is looked at.

    Raises:
        Error: It cannot be looked at: another process uses it, or it is not known where it is.
    """
    probe = probe_host(site.address, site.command("serve", overridden=True))
    site = site.of_host(probe.plugins)
    places = site.places("examine what the host keeps")
    found = [("host", finding) for finding in _of_host(site, probe)]
    if probe.answers and not site.another_host:
        yield Examination([*found, *_lasting(site, places, probe, watch)], probe.pid)
        return
    _check_used(site, places)
    with contextlib.ExitStack() as locks:
        for directory in (places.root, places.metastore, *places.found_data_roots().values()):
            if os.path.isdir(directory):
                locks.enter_context(Lock.acquire(os.path.join(directory, layout.LOCK)))
        evidence = _evidence(site, places, lambda: _read(places), None, watch)
        yield Examination([*found, *watch(_all(site, evidence), "checks")], None)


def _check_used(site: ConfiguredHost, places: Places) -> None:
    """Check that a host has kept something in its root directory: not much is wrong with what is not there."""
    if not os.path.isdir(places.root):
        found = f"there is no directory {places.root}"
    elif not places.found_data_roots() and not any(map(os.path.isdir, _directories(site, places))):
        found = f"there is no data root of lamina in {places.root}, nor a metastore"
    else:
        return
    raise NotFound(
        f"examine what the host keeps: {found}: is it the right root directory? The first start of a host makes it"
    )


def _directories(site: ConfiguredHost, places: Places) -> Iterator[str]:
    """Where the metastore and the plugins keep what they keep."""
    yield places.metastore
    if site.prepared is not None:
        yield from (os.path.join(places.root, one.uri) for one in site.prepared.plan.registry)


def _of_host(site: ConfiguredHost, probe: HostProbe) -> Iterator[Finding]:
    """Which host it is, and what is wrong with its socket."""
    for finding in probe.findings:
        if finding.status is Verdict.WARNING and probe.pid is None:
            yield Finding.ok(finding.check, f"{finding.found}; what is on disk is looked at")
        elif finding.check == "socket" or finding.status is not Verdict.OK:
            yield finding
    yield from another_host(site)


def _lasting(site: ConfiguredHost, places: Places, probe: HostProbe, watch: Watch) -> Found:
    """What is found beside a running host twice, a moment apart: what it is doing just now is not wrong."""
    first = _beside(site, places, probe, watch)
    if all(finding.status is Verdict.OK for _, finding in first):
        return first
    time.sleep(_SETTLED)
    seen = {(area, finding.check, finding.found) for area, finding in first}
    return [
        (area, finding)
        for area, finding in _beside(site, places, probe, watch)
        if finding.status is Verdict.OK or (area, finding.check, finding.found) in seen
    ]


def _of_plugins(site: ConfiguredHost, host_pid: int | None) -> Iterator[tuple[str, Finding]]:
    """What plugins say of what they keep themselves."""
    if site.prepared is None:
        return
    config = site.prepared.config.host
    for registration in site.prepared.plan.order:
        found = diagnose(
            registration,
            config=site.prepared.configs.get(registration.uri),
            root=Path(config.root),
            state=Path(config.state),
            host_pid=host_pid,
            exports=site.exports.get(registration.uri, {}),
            seconds=_DEADLINE,
            whole=True,
        )
        yield from ((registration.uri, finding) for finding in found)


def _beside(site: ConfiguredHost, places: Places, probe: HostProbe, watch: Watch) -> Found:
    def copied() -> Contents:
        with Client(site.address) as client:
            return inspect_copy(client.copy_metastore())

    evidence = _evidence(site, places, copied, probe.pid or 0, watch)
    return list(watch(_all(site, evidence), "checks"))


def _all(site: ConfiguredHost, evidence: Evidence) -> Iterator[tuple[str, Finding]]:
    yield from examine(evidence)
    yield from _of_plugins(site, evidence.host_pid)


def _evidence(
    site: ConfiguredHost,
    places: Places,
    contents: Callable[[], Contents | None],
    host_pid: int | None,
    watch: Watch,
) -> Evidence:
    elsewhere = "" if site.address == default_address() else f" -a {shlex.quote(site.address)}"
    options = site.command("", overridden=True).removeprefix("lamina ")
    return gather(places, contents, host_pid=host_pid, options=options, address=elsewhere, watch=watch)


def _read(places: Places) -> Contents | None:
    path = Path(places.metastore, DATA)
    return read_file(str(path)) if path.exists() and path.stat().st_size else None
