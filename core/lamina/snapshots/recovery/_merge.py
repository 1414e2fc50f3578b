"""Merging the records of a metastore and of data roots.

Identifiers are never reused, so that an identifier names one snapshot even if its key changes. Of two records with
the same identifier, the one updated later wins. A snapshot exists if an up-to-date metastore has it; if that is
lost or outdated, a snapshot exists if it has data, which removed snapshots lack. Views of a parent have no data,
and exist if they have a recovery record.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Self

import attrs

from lamina.snapshots import Info, Kind
from lamina.snapshots.recovery._scan import DataRootContents
from lamina.snapshots.storage import Record, shorten
from lamina.snapshots.storage.file import Contents, Counters
from lamina.snapshots.storage.recovery_record import RecoveryRecord


class Source(enum.StrEnum):
    """The source of a record."""

    METASTORE = "metastore"
    RECOVERY_RECORD = "recovery record"
    CHILDREN = "children"
    """The records of its children, which have its name, its identifier and those of its parents. Its labels, times
    and usage are lost."""


@attrs.frozen
class Restored:
    """A restored snapshot."""

    found: RecoveryRecord
    source: Source
    has_data: bool = True
    """True if its data exists, or none is needed."""


@attrs.frozen
class LeftOut:
    """A snapshot that a source names, but that is not restored."""

    snapshotter: str
    id: int
    reason: str
    key: str = ""
    """The key, or "" if unknown."""
    path: str = ""
    """The path of its data, or "" if there is none."""


@attrs.frozen
class Merged:
    """The merged sources."""

    contents: Contents
    restored: tuple[Restored, ...]
    left_out: tuple[LeftOut, ...]

    def active(self, snapshotter: str) -> tuple[int, ...]:
        """Return the identifiers of a snapshotter's restored active snapshots."""
        theirs = (one.found.record for one in self.restored if one.found.snapshotter == snapshotter)
        return tuple(record.id for record in theirs if record.info.kind is Kind.ACTIVE)

    def with_failed_syncs(self, last_ids: Mapping[str, int]) -> Self:
        """Return a copy with the highest identifier that a failed sync may have damaged, by snapshotter."""
        return attrs.evolve(self, contents=attrs.evolve(self.contents, failed_syncs=last_ids))

    def with_losses(self, since: str) -> Self:
        """Return a copy with the time since which entries of other owners may be lost; "" if none are."""
        return attrs.evolve(self, contents=attrs.evolve(self.contents, losses=since))


RESERVE = 1024
"""The number of identifiers to skip: some may have been reserved without a trace."""


def merge(
    uuid: str, metastore: Contents, roots: Mapping[str, DataRootContents], current: Container[str]
) -> Merged:
    """Merge the sources, except for failed syncs (see `with_failed_syncs`).

    Args:
        uuid: The UUID of the result.
        metastore: The intact contents of the metastore, or of a backup.
        roots: The data roots that belong to it, by snapshotter.
        current: The snapshotters for which the metastore is up to date: it is not a backup, nor older than their
            data roots.
    """
    names = {*metastore.counters, *roots, *(one.snapshotter for one in metastore.snapshots)}
    of_metastore: dict[str, list[RecoveryRecord]] = defaultdict(list)
    for found in metastore.snapshots:
        of_metastore[found.snapshotter].append(found)
    merges = [_Merge(name, of_metastore[name], roots.get(name), current=name in current) for name in sorted(names)]
    for one in merges:
        one.run()
    restored = tuple(snapshot for one in merges for snapshot in one.restored())
    contents = Contents(
        uuid=uuid,
        counters={one.name: one.counters(metastore.counters.get(one.name, Counters())) for one in merges},
        snapshots=tuple(one.found for one in restored),
        tables=metastore.tables,
    )
    return Merged(contents, restored, tuple(out for one in merges for out in one.left_out.values()))


class _Merge:
    """Merges the snapshots of one snapshotter."""

    def __init__(
        self, name: str, of_metastore: Iterable[RecoveryRecord], root: DataRootContents | None, *, current: bool
    ) -> None:
        self.name = name
        self.left_out: dict[int, LeftOut] = {}
        self._root = root
        self._current = current
        self._metastore = {one.record.id: one for one in of_metastore}
        self._recorded = dict(root.records) if root else {}
        self._alive: dict[int, Restored] = {}
        self._dead: dict[int, Restored] = {}

    def run(self) -> None:
        """Decide which snapshots exist."""
        for id_ in sorted({*self._metastore, *self._recorded}):
            self._decide(self._latest(id_))
        self._settle_keys()
        for one in sorted(self._alive.values(), key=lambda one: -len(one.found.record.parent_ids)):
            self._settle_parents(one.found)
        self._settle_keys()
        self._leave_out_orphans()
        self._report_data()

    def restored(self) -> Iterator[Restored]:
        """Return the restored snapshots in the order of their identifiers."""
        return (self._alive[id_] for id_ in sorted(self._alive))

    def counters(self, known: Counters) -> Counters:
        """Return counters beyond every identifier that a source names."""
        ids = (id_ for one in self._metastore.values() for id_ in (one.record.id, *one.record.parent_ids))
        last = max(known.next_id - 1, self._root.last_id if self._root else 0, *ids, 0)
        generation = max(known.generation, self._root.generation if self._root else 0)
        return Counters(last + 1 + RESERVE, generation + 1)

    def _latest(self, id_: int) -> Restored:
        stored, recorded = self._metastore.get(id_), self._recorded.get(id_)
        if stored and (not recorded or stored.record.info.updated >= recorded.record.info.updated):
            return Restored(stored, Source.METASTORE)
        if recorded is None:
            raise KeyError(id_)
        return Restored(recorded, Source.RECOVERY_RECORD)

    def _decide(self, latest: Restored) -> None:
        record = latest.found.record
        latest = attrs.evolve(latest, has_data=self._has_data(record))
        if self._current and record.id in self._metastore:
            self._alive[record.id] = latest
        elif record.id not in self._recorded and _needs_no_data(record):
            self._leave(latest.found, "it has no recovery record: it was removed")
        elif latest.has_data:
            self._alive[record.id] = latest
        else:
            self._dead[record.id] = latest

    def _has_data(self, record: Record) -> bool:
        return self._root is None or record.id in self._root.data or _needs_no_data(record)

    def _settle_keys(self) -> None:
        """Leave out all but the latest of several snapshots with the same key."""
        by_key: dict[tuple[str, str], list[Restored]] = defaultdict(list)
        for one in self._alive.values():
            by_key[one.found.keyspace, one.found.record.info.name].append(one)
        for several in by_key.values():
            *others, last = sorted(several, key=self._order)
            for other in others:
                self._drop(other.found, f"the later snapshot {last.found.record.id} has its key")

    def _order(self, one: Restored) -> tuple[bool, int, int]:
        record = one.found.record
        return self._current and record.id in self._metastore, record.info.updated, record.id

    def _settle_parents(self, child: RecoveryRecord) -> None:
        """Restore the parents of a snapshot: they existed, and were committed, when it was made."""
        while child.record.parent_ids:
            parent_id = child.record.parent_ids[0]
            known = self._alive.get(parent_id) or self._dead.pop(parent_id, None)
            if known is None or known.found.record.info.kind is not Kind.COMMITTED:
                known = self._derived(child, known)
            if known is None:
                return
            self._alive[parent_id] = known
            child = known.found

    def _derived(self, child: RecoveryRecord, stale: Restored | None) -> Restored | None:
        """Derive the record of a parent from its child; return None if the grandparent's name is unknown."""
        parent_id, *rest = child.record.parent_ids
        name = ""
        if rest:
            above = self._alive.get(rest[0]) or self._dead.get(rest[0])
            if above is None or above.found.record.info.kind is not Kind.COMMITTED:
                return None
            name = above.found.record.info.name
        moment = stale.found.record.info.updated if stale else 0
        info = Info(child.record.info.parent, Kind.COMMITTED, name, created=moment, updated=moment)
        record = Record(parent_id, info, parent_ids=tuple(rest))
        found = RecoveryRecord(self.name, child.keyspace, record, child.metastore)
        return Restored(found, Source.CHILDREN, self._has_data(record))

    def _leave_out_orphans(self) -> None:
        """Leave out snapshots whose chain of parents is incomplete, parents first."""
        for one in sorted(self._alive.values(), key=lambda one: len(one.found.record.parent_ids)):
            record = one.found.record
            if record.parent_ids and (problem := self._parent_problem(one.found)):
                self._drop(one.found, problem)
        for one in self._dead.values():
            self._leave(one.found, "its data is gone: it was removed, or lost")

    def _parent_problem(self, child: RecoveryRecord) -> str:
        parent_id, *rest = child.record.parent_ids
        parent = self._alive.get(parent_id)
        if parent is None:
            shown = shorten(child.record.info.parent)
            return f"its parent {shown} (identifier {parent_id}) is unknown"
        record = parent.found.record
        agrees = (parent.found.keyspace, record.info.name) == (child.keyspace, child.record.info.parent)
        if not agrees or record.parent_ids != tuple(rest):
            return f"it names another parent than that of identifier {parent_id}"
        return ""

    def _report_data(self) -> None:
        """Report data without a record."""
        if self._root is None:
            return
        for id_ in sorted(self._root.data - {*self._alive, *self.left_out}):
            torn = self._root.torn.get(id_)
            reason = torn or "it has no recovery record: its key is unknown"
            self.left_out[id_] = LeftOut(self.name, id_, reason, path=self._root.data_path(id_))

    def _drop(self, found: RecoveryRecord, reason: str) -> None:
        del self._alive[found.record.id]
        self._leave(found, reason)

    def _leave(self, found: RecoveryRecord, reason: str) -> None:
        id_ = found.record.id
        has_data = self._root is not None and id_ in self._root.data
        path = self._root.data_path(id_) if self._root and has_data else ""
        self.left_out[id_] = LeftOut(self.name, id_, reason, found.record.info.name, path)


def _needs_no_data(record: Record) -> bool:
    """Return whether a snapshot may lack data of its own: with most backends, views show their parent's data."""
    return record.info.kind is Kind.VIEW and bool(record.parent_ids)
