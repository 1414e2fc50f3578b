"""The contents of a metastore, assembled from entries that may come from a damaged file."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from lamina.errdefs import DataLoss, FailedPrecondition
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._record import Record, decode
from lamina.snapshots.storage.recovery_record import RecoveryRecord
from lamina.store._checksum import check
from lamina.store._format import TABLE, owner_of

_VERSIONS: Final = ("2", "3", "4")
"""The readable schema versions. Values of version 2 may have no checksum (`lamina.store._checksum`)."""


@attrs.frozen
class Counters:
    """The counters of a snapshotter."""

    next_id: int = 1
    """The lowest identifier that was never reserved."""
    generation: int = 0
    """The number of times that the snapshotter was opened."""


@attrs.frozen
class Contents:
    """The contents read from a metastore, or to be written to one."""

    uuid: str = ""
    counters: Mapping[str, Counters] = attrs.field(factory=dict)
    """By snapshotter."""
    snapshots: tuple[RecoveryRecord, ...] = ()
    """In the order of their database keys."""
    failed_syncs: Mapping[str, int] = attrs.field(factory=dict)
    """By snapshotter, the highest identifier that a failed sync may have damaged."""
    problems: tuple[str, ...] = ()
    """Unreadable or contradictory entries, a sentence each."""
    tables: Mapping[bytes, bytes] = attrs.field(factory=dict)
    """The entries of other owners than snapshots, by database key."""
    salvaged: str = ""
    """The time at which the metastore was salvaged from a damaged file; "" if it was not."""

    def entries_by_owner(self) -> Mapping[str, int]:
        """Return the number of entries of each other owner."""
        return dict(sorted(Counter(map(owner_of, self.tables)).items()))

    def counted(self) -> str:
        """Return the numbers of snapshots and other entries for a message: `3 snapshots, 2 entries of images`."""
        others = (f", {count:,} entries of {owner}" for owner, count in self.entries_by_owner().items())
        return f"{len(self.snapshots):,} snapshots{''.join(others)}"

    def greatest_id(self, snapshotter: str) -> int:
        """Return the greatest identifier of a snapshotter's snapshots and their parents; 0 if there is none."""
        ids = (
            id_
            for one in self.snapshots
            if one.snapshotter == snapshotter
            for id_ in (one.record.id, *one.record.parent_ids)
        )
        return max(ids, default=0)

    @classmethod
    def of(cls, entries: Iterable[tuple[bytes, bytes]]) -> Contents:
        """Assemble entries.

        Args:
            entries: Keys and values of the database, in any order; some may be missing.
        """
        by_kind: dict[bytes, dict[bytes, bytes]] = {}
        problems: list[str] = []
        for key, value in entries:
            try:
                by_kind.setdefault(key[:1], {})[key] = check(key, value)
            except DataLoss:
                problems.append(f"{layout.describe(key)} has a wrong checksum")
        return _Reading(by_kind, problems).contents()


@attrs.define
class _Reading:
    """Assembles the contents."""

    entries: Mapping[bytes, Mapping[bytes, bytes]]
    """Entries by the first byte of their keys."""
    problems: list[str]
    numbers: dict[bytes, str] = attrs.field(factory=dict)
    """Snapshotters by number."""
    keyspaces: dict[bytes, tuple[str, str]] = attrs.field(factory=dict)
    """Snapshotter and name of each keyspace, by number."""

    def contents(self) -> Contents:
        self._check_version()
        counters = dict(self._counters())
        for key, number in self._of(b"s"):
            snapshotter, _, keyspace = _text(key[1:]).partition("\0")
            self.keyspaces[number] = snapshotter, keyspace
        snapshots = tuple(self._snapshots())
        failed = {_text(key[1:]): int.from_bytes(value, "big") for key, value in self._of(b"f")}
        general = dict(self._of(b"m"))
        uuid, salvaged = _text(general.get(layout.UUID, b"")), _text(general.get(layout.SALVAGED, b""))
        tables = {key: value for key, value in self._of(TABLE) if owner_of(key)}
        return Contents(uuid, counters, snapshots, failed, tuple(self.problems), tables, salvaged)

    def _of(self, kind: bytes) -> Iterable[tuple[bytes, bytes]]:
        return self.entries.get(kind, {}).items()

    def _check_version(self) -> None:
        version = _text(dict(self._of(b"m")).get(layout.SCHEMA, b""))
        if version and version not in _VERSIONS:
            raise FailedPrecondition(
                f"a metastore of schema version {version} cannot be read, only {', '.join(_VERSIONS)}: "
                "start a host on an older one once; for a newer one, upgrade lamina"
            )

    def _counters(self) -> Iterator[tuple[str, Counters]]:
        for key, value in self._of(b"n"):
            try:
                number, next_id, generation = layout.SNAPSHOTTER.unpack(value)
            except struct.error as error:
                self.problems.append(f"the counters of snapshotter {_text(key[1:])!r} cannot be read: {error}")
                continue
            self.numbers[layout.NUMBER.pack(number)] = _text(key[1:])
            yield _text(key[1:]), Counters(next_id, generation)

    def _snapshots(self) -> Iterator[RecoveryRecord]:
        indexed = _Indexed(self)
        for key, value in self._of(b"k"):
            try:
                record = decode(value)
            except DataLoss as error:
                self.problems.append(f"the record under {key.hex()} cannot be read: {error}")
                continue
            shown = layout.shorten(record.info.name)
            if layout.record_key(key[1:5], record.info.name.encode()) != key:
                self.problems.append(f"the record of snapshot {shown} stands under the key of another")
                continue
            if key[1:5] not in self.keyspaces:
                self.problems.append(f"snapshot {shown} is in keyspace {key[1:5].hex()}, which has no name")
                continue
            indexed.compare(key, record)
            yield RecoveryRecord(*self.keyspaces[key[1:5]], record)
        indexed.report_rest()


class _Indexed:
    """The index entries not yet compared with records."""

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading
        self._ids = dict(reading.entries.get(b"i", {}))
        self._children = dict(reading.entries.get(b"c", {}))
        self._number_of = {name: number for number, name in reading.numbers.items()}

    def compare(self, key: bytes, record: Record) -> None:
        """Check that both indexes lead to a record."""
        shown = layout.shorten(record.info.name)
        snapshotter, _ = self._reading.keyspaces[key[1:5]]
        number = self._number_of.get(snapshotter)
        if number is not None and self._ids.pop(layout.id_key(number, record.id), None) != key:
            self._reading.problems.append(f"identifier {record.id} does not lead to snapshot {shown}")
        if record.parent_ids:
            child = layout.child_key(key[1:5], record.parent_ids[0], record.id)
            if self._children.pop(child, None) != record.info.name.encode():
                self._reading.problems.append(f"snapshot {shown} is not among the children of its parent")

    def report_rest(self) -> None:
        """Report index entries that lead to no record."""
        for key in self._ids:
            self._reading.problems.append(f"identifier {int.from_bytes(key[5:], 'big')} leads to no record")
        for key, name in self._children.items():
            shown, parent = layout.shorten(_text(name)), int.from_bytes(key[5:13], "big")
            self._reading.problems.append(f"identifier {parent} has a child {shown} that does not exist")


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
