"""Check the metastore for unreadable and contradictory entries."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lamina.diagnosis.integrity._evidence import Evidence, described
from lamina.plugin import Finding
from lamina.snapshots import Kind
from lamina.snapshots.storage import shorten
from lamina.snapshots.storage.file import DATA
from lamina.snapshots.storage.recovery_record import RecoveryRecord


def damage(evidence: Evidence) -> Iterator[Finding]:
    """Report entries that cannot be read or contradict each other."""
    check = "entries"
    if not evidence.exists:
        count = sum(len(root.data) for root in evidence.roots.values())
        if count:
            snapshots = f"{count:,} {'snapshot' if count == 1 else 'snapshots'}"
            found = f"there is none in {evidence.metastore}, but the data roots hold data of {snapshots}"
            yield Finding.problem(check, found, evidence.rebuild)
        else:
            yield Finding.ok(check, f"there is no metastore in {evidence.metastore} yet, and no data")
        return
    if evidence.contents.salvaged:
        found = (
            f"it was salvaged from a damaged file at {evidence.contents.salvaged}: nothing has been "
            "reclaimed since"
        )
        yield Finding.problem("salvaged", found, evidence.rebuild)
    for problem in evidence.contents.problems:
        yield Finding.problem(check, problem, evidence.rebuild)
    if not evidence.contents.problems:
        found = f"{evidence.contents.counted()}, undamaged, and both indexes contain all snapshots"
        yield Finding.ok(check, found)


def set_aside(evidence: Evidence) -> Iterator[Finding]:
    """Report replaced metastores that are kept beside the one in use."""
    with contextlib.suppress(FileNotFoundError):
        names = [name for name in os.listdir(evidence.metastore) if name.startswith(f"{DATA}.") and "-" in name]
        if names:
            place = os.path.join(evidence.metastore, f"{DATA}.*-*")
            found = f"{len(names)} old metastores are kept: {place}. They can be deleted once everything works"
            yield Finding.ok("set aside", found)


def parents(evidence: Evidence) -> Iterator[Finding]:
    """Report snapshots whose parents do not exist."""
    check = "parents"
    dangling = 0
    for snapshots in evidence.snapshots.values():
        for one in snapshots.values():
            if one.record.parent_ids and (wrong := _wrong(one, snapshots.get(one.record.parent_ids[0]))):
                dangling += 1
                yield Finding.problem(check, f"{described(one)}: {wrong}", evidence.rebuild)
    if not dangling and evidence.exists:
        yield Finding.ok(check, "every parent exists and is committed")


def _wrong(child: RecoveryRecord, parent: RecoveryRecord | None) -> str:
    """Return the problem of a snapshot's parent, or ""."""
    info, ids = child.record.info, child.record.parent_ids
    shown = f"parent {shorten(info.parent)} (identifier {ids[0]})"
    if parent is None:
        return f"its {shown} does not exist"
    record = parent.record
    if (parent.keyspace, record.info.name) != (child.keyspace, info.parent):
        return f"its {shown} is {shorten(record.info.name)} in keyspace {parent.keyspace}"
    if record.info.kind is not Kind.COMMITTED:
        return f"its {shown} is not committed"
    return f"its {shown} has other parents than the snapshot's record says" if record.parent_ids != ids[1:] else ""
