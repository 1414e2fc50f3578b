"""Examine the data of a host, for `lamina doctor`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

from lamina.client import Client
from lamina.diagnosis.host.areas import another_host, of_another_user
from lamina.diagnosis.host.configured import ConfiguredHost
from lamina.diagnosis.host.probe import HostProbe, probe_host
from lamina.diagnosis.integrity import Evidence, examine, gather
from lamina.errdefs import FailedPrecondition, NotFound
from lamina.fs import Lock
from lamina.plugin import Finding, Verdict
from lamina.snapshots.local import layout
from lamina.snapshots.recovery import Places, Watch, inspect_copy
from lamina.snapshots.storage.file import DATA, Contents, read_file

_DEADLINE: Final = 600.0
"""Seconds that one plugin may take."""
_SETTLED: Final = 1.0
"""Seconds after which an operation in progress is visible everywhere."""

Found = list[tuple[str, Finding]]


@attrs.frozen
class Examination:
    """The findings, and the process of the host that was running, if any."""

    found: Found
    host_pid: int | None


@contextlib.contextmanager
def examination(host: ConfiguredHost, watch: Watch) -> Iterator[Examination]:
    """Examine everything that a host keeps. If none runs, none can start during the block.

    Raises:
        Error: The data cannot be examined: another process uses it, or its directories are unknown.
    """
    probe = probe_host(host.address, host.command("serve", overridden=True))
    if foreign := of_another_user(probe):
        raise FailedPrecondition(f"examine the host's data: {foreign.found}: {foreign.remedy}")
    host = host.of_host(probe.plugins)
    places = host.places("examine the host's data")
    found = [("host", finding) for finding in _of_host(host, probe)]
    if probe.answers and not host.another_host:
        yield Examination([*found, *_lasting(host, places, probe, watch)], probe.pid)
        return
    _check_used(host, places)
    with contextlib.ExitStack() as locks:
        for directory in (places.root, places.metastore, *places.found_data_roots().values()):
            if os.path.isdir(directory):
                locks.enter_context(Lock.acquire(os.path.join(directory, layout.LOCK)))
        evidence = _evidence(host, places, lambda: _read(places), None, watch)
        yield Examination([*found, *watch(_all(host, evidence), "checks")], None)


def _check_used(host: ConfiguredHost, places: Places) -> None:
    """Check that the root directory contains a host's data: an empty one would have no problems."""
    if not os.path.isdir(places.root):
        found = f"there is no directory {places.root}"
    elif not places.found_data_roots() and not any(map(os.path.isdir, _directories(host, places))):
        found = f"there is no data root of lamina in {places.root}, nor a metastore"
    else:
        return
    raise NotFound(
        f"examine the host's data: {found}: is it the right root directory? The first start of a host creates it"
    )


def _directories(host: ConfiguredHost, places: Places) -> Iterator[str]:
    """Yield the directories of the metastore and the plugins."""
    yield places.metastore
    if host.prepared is not None:
        yield from (os.path.join(places.root, one.uri) for one in host.prepared.plan.registry)


def _of_host(host: ConfiguredHost, probe: HostProbe) -> Iterator[Finding]:
    """Yield the findings about the host's identity and socket."""
    for finding in probe.findings:
        if finding.status is Verdict.WARNING and probe.pid is None:
            yield Finding.ok(finding.check, f"{finding.found}; the data on disk is examined")
        elif finding.check == "socket" or finding.status is not Verdict.OK:
            yield finding
    yield from another_host(host)


def _lasting(host: ConfiguredHost, places: Places, probe: HostProbe, watch: Watch) -> Found:
    """Return the findings that appear twice, a moment apart: the host may be in the middle of an operation."""
    first = _beside(host, places, probe, watch)
    if all(finding.status is Verdict.OK for _, finding in first):
        return first
    time.sleep(_SETTLED)  # no event tells when operations of the host have ended
    seen = {(area, finding.check, finding.found) for area, finding in first}
    return [
        (area, finding)
        for area, finding in _beside(host, places, probe, watch)
        if finding.status is Verdict.OK or (area, finding.check, finding.found) in seen
    ]


def _beside(host: ConfiguredHost, places: Places, probe: HostProbe, watch: Watch) -> Found:
    def copied() -> Contents:
        with Client(host.address) as client:
            return inspect_copy(client.copy_metastore())

    evidence = _evidence(host, places, copied, probe.pid or 0, watch)
    return list(watch(_all(host, evidence), "checks"))


def _all(host: ConfiguredHost, evidence: Evidence) -> Iterator[tuple[str, Finding]]:
    yield from examine(evidence)
    for uri, found in host.diagnosed(evidence.host_pid, seconds=_DEADLINE, whole=True):
        yield from ((uri, finding) for finding in found)


def _evidence(
    host: ConfiguredHost,
    places: Places,
    contents: Callable[[], Contents | None],
    host_pid: int | None,
    watch: Watch,
) -> Evidence:
    options = host.command("", overridden=True).removeprefix("lamina ")
    return gather(places, contents, host_pid=host_pid, options=options, address=host.address_option, watch=watch)


def _read(places: Places) -> Contents | None:
    path = Path(places.metastore, DATA)
    return read_file(str(path)) if path.exists() and path.stat().st_size else None
