"""Gather the evidence, and run all checks on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from lamina.diagnosis._process import AS_ROOT
from lamina.diagnosis.integrity._damage import damage, parents, set_aside
from lamina.diagnosis.integrity._data import missing_data, missing_roots, orphans, quarantined
from lamina.diagnosis.integrity._evidence import Evidence
from lamina.diagnosis.integrity._failed_syncs import failed_syncs
from lamina.diagnosis.integrity._modes import modes_below, modes_of, modes_of_metastore
from lamina.diagnosis.integrity._ownership import ownership_of
from lamina.diagnosis.integrity._recovery_records import recovery_records
from lamina.diagnosis.integrity._temporaries import temporaries_of, temporaries_of_metastore
from lamina.diagnosis.integrity._trash import leftover_mounts, trash
from lamina.errdefs import Error
from lamina.plugin import Finding
from lamina.snapshots.recovery import DataRootContents, Places, Watch, scan
from lamina.snapshots.storage.file import Contents

_OfMetastore: TypeAlias = Callable[[Evidence], Iterator[Finding]]
_OfDataRoot: TypeAlias = Callable[[Evidence, str, DataRootContents], Iterator[Finding]]
"""Compares the evidence about a snapshotter, given by its id and its data root."""

_METASTORE: Final[tuple[_OfMetastore, ...]] = (
    damage,
    parents,
    set_aside,
    missing_roots,
    modes_of_metastore,
    temporaries_of_metastore,
)
_DATA_ROOT: Final[tuple[_OfDataRoot, ...]] = (
    ownership_of,
    missing_data,
    orphans,
    recovery_records,
    failed_syncs,
    quarantined,
    trash,
    temporaries_of,
    leftover_mounts,
    modes_of,
)


def gather(
    places: Places,
    contents: Callable[[], Contents | None],
    *,
    host_pid: int | None,
    options: str,
    address: str,
    watch: Watch,
) -> Evidence:
    """Gather the evidence. Data roots come first, so that snapshots created meanwhile have a record.

    Args:
        places: The directories in which the host keeps its data.
        contents: Reads the metastore or a copy of it; returns None if there is none.
        host_pid: The process of the running host; None if none runs.
        options: See `Evidence.options`.
        address: See `Evidence.address`.
        watch: Reports progress.

    Raises:
        Error: The metastore cannot be read.
        OSError: See above.
    """
    roots: dict[str, DataRootContents] = {}
    unread: dict[str, str] = {}
    for name, path in places.found_data_roots().items():
        try:
            found = scan(path, watch)
        except (Error, OSError) as error:
            unread[path] = str(error)
        else:
            roots[found.snapshotter or name] = found
    read = contents()
    return Evidence(
        metastore=places.metastore,
        contents=read or Contents(),
        exists=read is not None,
        roots=roots,
        configured=places.data_roots,
        unread=unread,
        host_pid=host_pid,
        options=options,
        address=address,
    )


def examine(evidence: Evidence) -> Iterator[tuple[str, Finding]]:
    """Compare the evidence, and yield each finding with the area that it concerns."""
    for look in _METASTORE:
        yield from _guarded("metastore", look(evidence))
    for path, problem in evidence.unread.items():
        area = f"data root {path}"
        yield area, Finding.problem("contents", f"not checked: {problem}", "fix that, and check again")
        yield from _guarded(area, modes_below(path))
    for name, root in evidence.roots.items():
        for check in _DATA_ROOT:
            yield from _guarded(f"{name} in {root.path}", check(evidence, name, root))


def _guarded(area: str, findings: Iterator[Finding]) -> Iterator[tuple[str, Finding]]:
    """Yield the findings of a check, and another one if the check fails."""
    try:
        for finding in findings:
            yield area, finding
    except (Error, OSError) as error:
        yield area, Finding.unknown("everything else", str(error), AS_ROOT)
