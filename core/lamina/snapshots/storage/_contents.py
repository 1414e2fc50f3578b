"""The contents of a metastore, assembled from entries that may come from a damaged file."""

from __future__ import annotations

import contextlib
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from lamina.errdefs import DataLoss, FailedPrecondition
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._cross_check import Entries
from lamina.snapshots.storage._record import decode
from lamina.snapshots.storage.recovery_record import RecoveryRecord
from lamina.store._format import TABLE, is_intact, owner_of, value_in

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
    transaction: int = attrs.field(default=sys.maxsize, eq=False, kw_only=True)
    """The last transaction of the file; the largest number of contents that were not read from one."""
    counters: Mapping[str, Counters] = attrs.field(factory=dict)
    """By snapshotter."""
    snapshots: tuple[RecoveryRecord, ...] = ()
    """In the order of their database keys."""
    failed_syncs: Mapping[str, int] = attrs.field(factory=dict)
    """By snapshotter, the highest identifier that a failed sync may have damaged."""
    problems: tuple[str, ...] = ()
    """Unreadable or contradictory entries, one sentence each."""
    tables: Mapping[bytes, bytes] = attrs.field(factory=dict)
    """The entries of other owners than snapshots, by database key."""
    salvaged: str = ""
    """The time at which the metastore was salvaged from a damaged file; "" if it was not."""
    losses: str = ""
    """The time of a rebuild that may have lost entries of other owners; "" if there was none, or that was accepted
    since (`MetaStore.accept_losses`)."""

    def entries_by_owner(self) -> Mapping[str, int]:
        """Return the number of entries of each other owner."""
        return dict(sorted(Counter(map(owner_of, self.tables)).items()))

    def counted(self) -> str:
        """Return the numbers of snapshots and other entries for a message: `3 snapshots, 2 entries of images`."""
        snapshots = len(self.snapshots)
        parts = [f"{snapshots:,} {'snapshot' if snapshots == 1 else 'snapshots'}"]
        for owner, count in self.entries_by_owner().items():
            parts.append(f"{count:,} {'entry' if count == 1 else 'entries'} of {owner}")
        return ", ".join(parts)

    def greatest_id(self, snapshotter: str) -> int:
        """Return the highest identifier of a snapshotter's snapshots and their parents; 0 if there is none."""
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
        return _Reading(dict(sorted(entries))).contents()


@attrs.define
class _Reading:
    """Assembles the contents."""

    stored: Mapping[bytes, bytes]
    """All entries in the order of their keys, with the stored bytes of their values."""
    problems: list[str] = attrs.field(factory=list)
    keyspaces: dict[bytes, tuple[str, str]] = attrs.field(factory=dict)
    """Snapshotter and name of each keyspace, by number."""
    entries: dict[bytes, dict[bytes, bytes]] = attrs.field(factory=dict)
    """Intact entries by the first byte of their keys."""

    def contents(self) -> Contents:
        for key, data in self.stored.items():
            if is_intact(key, data):
                self.entries.setdefault(key[:1], {})[key] = value_in(data)
        self._check_version()
        self.problems += Entries().check(self.stored.items())
        counters = dict(self._counters())
        for key, number in self._of(b"s"):
            snapshotter, _, keyspace = _text(key[1:]).partition("\0")
            self.keyspaces[number] = snapshotter, keyspace
        snapshots = tuple(self._snapshots())
        failed = {_text(key[1:]): int.from_bytes(value, "big") for key, value in self._of(b"f")}
        general = dict(self._of(b"m"))
        uuid, salvaged = _text(general.get(layout.UUID, b"")), _text(general.get(layout.SALVAGED, b""))
        tables = {key: value for key, value in self._of(TABLE) if owner_of(key)}
        losses = _text(general.get(layout.LOSSES, b""))
        return Contents(uuid, counters, snapshots, failed, tuple(self.problems), tables, salvaged, losses)

    def _of(self, kind: bytes) -> Iterable[tuple[bytes, bytes]]:
        return self.entries.get(kind, {}).items()

    def _check_version(self) -> None:
        version = _text(dict(self._of(b"m")).get(layout.SCHEMA_KEY, b""))
        if version and version not in _VERSIONS:
            raise FailedPrecondition(
                f"a metastore of schema version {version} cannot be read, only {', '.join(_VERSIONS)}: "
                "start a host on an older one once; for a newer one, upgrade lamina"
            )

    def _counters(self) -> Iterator[tuple[str, Counters]]:
        for key, value in self._of(b"n"):
            with contextlib.suppress(struct.error):  # among the problems
                _, next_id, generation = layout.SNAPSHOTTER.unpack(value)
                yield _text(key[1:]), Counters(next_id, generation)

    def _snapshots(self) -> Iterator[RecoveryRecord]:
        """Yield the readable records that are under their own keys, and in a keyspace with a name."""
        for key, value in self._of(b"k"):
            try:
                record = decode(value)
            except DataLoss as error:
                self.problems.append(f"the record under {key.hex()} cannot be read: {error}")
                continue
            keyspace = self.keyspaces.get(key[1:5])
            if keyspace and layout.record_key(key[1:5], record.info.name.encode()) == key:
                yield RecoveryRecord(*keyspace, record)


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
