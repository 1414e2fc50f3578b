"""A metastore's entries, put together without an environment: they may be those of a damaged file."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from lamina.errdefs import DataLoss, FailedPrecondition
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._checksum import check
from lamina.snapshots.storage._record import Record, decode
from lamina.snapshots.storage.recovery_record import RecoveryRecord

_VERSIONS: Final = ("2", "3")
"""The schema versions whose entries can be read. Values of version 2 have no checksum (`_checksum`)."""


@attrs.frozen
class Counters:
    """What a metastore counts for a snapshotter."""

    next_id: int = 1
    """No identifier from this one on has been handed out."""
    generation: int = 0
    """How often it was opened."""


@attrs.frozen
class Contents:
    """What could be read of a metastore, or is to be written to one."""

    uuid: str = ""
    counters: Mapping[str, Counters] = attrs.field(factory=dict)
    """By snapshotter."""
    snapshots: tuple[RecoveryRecord, ...] = ()
    """In the order of their keys in the database."""
    failed_syncs: Mapping[str, int] = attrs.field(factory=dict)
    """By snapshotter, the highest identifier that a failed sync may have damaged."""
    problems: tuple[str, ...] = ()
    """What cannot be read, or contradicts another entry, a sentence each."""
    salvaged: str = ""
    """When it was made from what was whole of a damaged file; "" where it was not."""

    def greatest_id(self, snapshotter: str) -> int:
        """The greatest identifier of a snapshot of a snapshotter, or of a parent; 0 where there is none."""
        ids = (
            id_
            for one in self.snapshots
            if one.snapshotter == snapshotter
            for id_ in (one.record.id, *one.record.parent_ids)
        )
        return max(ids, default=0)

    @classmethod
    def of(cls, entries: Iterable[tuple[bytes, bytes]]) -> Contents:
        """Put entries together.

        Args:
            entries: Keys and values of the database, in any order; some may be missing.
        """
        by_kind: dict[bytes, dict[bytes, bytes]] = {}
        problems: list[str] = []
        for key, value in entries:
            try:
                by_kind.setdefault(key[:1], {})[key] = check(key, value)
            except DataLoss:
                problems.append(f"{layout.describe(key)} is not what was stored: its checksum is wrong")
        return _Reading(by_kind, problems).contents()


@attrs.define
class _Reading:
    """Entries on the way to contents."""

    entries: Mapping[bytes, Mapping[bytes, bytes]]
    """By the first byte of their keys."""
    problems: list[str]
    numbers: dict[bytes, str] = attrs.field(factory=dict)
    """The snapshotters, by their numbers."""
    spaces: dict[bytes, tuple[str, str]] = attrs.field(factory=dict)
    """The snapshotter and the name of each keyspace, by its number."""

    def contents(self) -> Contents:
        self._check_version()
        counters = dict(self._counters())
        for key, number in self._of(b"s"):
            snapshotter, _, keyspace = _text(key[1:]).partition("\0")
            self.spaces[number] = snapshotter, keyspace
        snapshots = tuple(self._snapshots())
        failed = {_text(key[1:]): int.from_bytes(value, "big") for key, value in self._of(b"f")}
        general = dict(self._of(b"m"))
        uuid, salvaged = _text(general.get(layout.UUID, b"")), _text(general.get(layout.SALVAGED, b""))
        return Contents(uuid, counters, snapshots, failed, tuple(self.problems), salvaged)

    def _of(self, kind: bytes) -> Iterable[tuple[bytes, bytes]]:
        return self.entries.get(kind, {}).items()

    def _check_version(self) -> None:
        version = _text(dict(self._of(b"m")).get(layout.SCHEMA, b""))
        if version and version not in _VERSIONS:
            raise FailedPrecondition(
                f"a metastore of schema version {version} cannot be read, versions {' and '.join(_VERSIONS)} can: "
                "of an older one start a host on it once, of a newer one upgrade this lamina"
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
            if key[1:5] not in self.spaces:
                self.problems.append(f"snapshot {shown} is in keyspace {key[1:5].hex()}, which has no name")
                continue
            indexed.compare(key, record)
            yield RecoveryRecord(*self.spaces[key[1:5]], record)
        indexed.rest()


class _Indexed:
    """The entries that lead to records, which records have not been compared with yet."""

    def __init__(self, reading: _Reading) -> None:
        self._reading = reading
        self._ids = dict(reading.entries.get(b"i", {}))
        self._children = dict(reading.entries.get(b"c", {}))
        self._number_of = {name: number for number, name in reading.numbers.items()}

    def compare(self, key: bytes, record: Record) -> None:
        """Look whether both indexes lead to a record."""
        shown = layout.shorten(record.info.name)
        snapshotter, _ = self._reading.spaces[key[1:5]]
        number = self._number_of.get(snapshotter)
        if number is not None and self._ids.pop(layout.id_key(number, record.id), None) != key:
            self._reading.problems.append(f"identifier {record.id} does not lead to snapshot {shown}")
        if record.parent_ids:
            child = layout.child_key(key[1:5], record.parent_ids[0], record.id)
            if self._children.pop(child, None) != record.info.name.encode():
                self._reading.problems.append(f"snapshot {shown} is not among the children of its parent")

    def rest(self) -> None:
        """Tell what leads to no record."""
        for key in self._ids:
            self._reading.problems.append(f"identifier {int.from_bytes(key[5:], 'big')} leads to no record")
        for key, name in self._children.items():
            shown, parent = layout.shorten(_text(name)), int.from_bytes(key[5:13], "big")
            self._reading.problems.append(f"identifier {parent} has a child {shown} that is not there")


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
