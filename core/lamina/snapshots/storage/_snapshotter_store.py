"""The part of a metastore that belongs to one snapshotter."""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import DataLoss, InvalidArgument
from lamina.fs import Ballast
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._agreement import Agreement
from lamina.snapshots.storage._failed_sync import FailedSync, failed_sync_path
from lamina.snapshots.storage._keyspace import Keyspace
from lamina.snapshots.storage._record import Record, decode, id_in
from lamina.snapshots.storage._schema import add_checksums
from lamina.snapshots.storage._table import Table, keyspace_names, next_number
from lamina.store import _checksum as checksum
from lamina.store._entries import BATCH, ascending
from lamina.store._environment import Environment, Transaction

BLOCK: Final = 1024
"""Identifiers in one durable reservation."""


class SnapshotterStore:
    """The keyspaces of one snapshotter, and the identifiers, which are unique across them."""

    def __init__(
        self, environment: Environment, uuid: str, state: str, name: str, ballast: Ballast, opened_at: int
    ) -> None:
        """Use `MetaStore.snapshotter`."""
        self._environment = environment
        self.uuid = uuid
        """The UUID of the whole store."""
        self.state = state
        """A directory for files that need not survive a reboot, shared by all snapshotters of the store."""
        self.name = name
        self.ballast = ballast
        """The reserve of disk space beside the metastore's file, for removals on a full disk."""
        self.opened_at = opened_at
        """The last transaction before this opening."""
        self.number, self.first_id, self.opened_before = self._register()
        """`number`: four bytes that name the snapshotter in database keys.
        `first_id`: all lower identifiers were reserved by earlier processes.
        `opened_before`: the openings counted before. A data root with a higher number is newer than the store.
        """
        self._mutex = threading.Lock()
        self._free = iter(range(0))
        self._last_id = self.first_id - 1
        """The highest identifier reserved."""
        path = failed_sync_path(state, uuid, name, self.number)
        self.failed_sync = FailedSync(environment, name, path, self._last_id)

    def _register(self) -> tuple[bytes, int, int]:
        """Return the stored counters; store those of a new snapshotter, and count this opening."""
        key = layout.snapshotter_key(self.name)
        known = self._environment.read(lambda transaction: checksum.get(transaction, key))
        self._counted = known is None
        number, next_id, generation = (
            layout.SNAPSHOTTER.unpack(known) if known else self._environment.write(self._count_opening)
        )
        return layout.NUMBER.pack(number), next_id, generation

    def _count_opening(self, transaction: Transaction) -> tuple[int, int, int]:
        key = layout.snapshotter_key(self.name)
        stored = checksum.get(transaction, key)
        if stored is not None:
            number, next_id, generation = layout.SNAPSHOTTER.unpack(stored)
        elif transaction.get(layout.SALVAGED) is not None:  # its counters may be lost
            number, next_id, generation = next_number(transaction), layout.UNKNOWN_ID, int(time.time())
        else:
            number, next_id, generation = next_number(transaction), 1, 0
        checksum.put(transaction, key, layout.SNAPSHOTTER.pack(number, next_id, generation + 1))
        return number, next_id, generation

    def count_opening(self) -> int:
        """Count this opening, unless it is counted already; return the number of openings, including this one.

        Raises:
            ResourceExhausted, ReadOnly: The store is not writable.
        """
        with self._mutex:
            if not self._counted:
                self._environment.write(self._count_opening)
                self._counted = True
        return self.opened_before + 1

    def progress(self) -> tuple[int, int] | None:
        """Return the counted openings and the last durable transaction; None while nothing can be stored.

        Raises:
            Unavailable: The store is closed.
        """
        return None if self._environment.outage() else self._environment.read(self._progress)

    def _progress(self, transaction: Transaction) -> tuple[int, int]:
        stored = checksum.get(transaction, layout.snapshotter_key(self.name)) or b""
        return int(layout.SNAPSHOTTER.unpack(stored)[2]), int(transaction.id())

    def keyspace(self, name: str) -> Keyspace:
        """Return the keyspace of that name, which is created with its first snapshot.

        Raises:
            InvalidArgument: The name is empty, longer than 128 bytes, or not printable text.
        """
        check_name("keyspace", name)
        table = Table(self.name, self.number, name)
        return Keyspace(self._environment, table, self.failed_sync, self.reserve_id, name)

    def reserve_id(self) -> int:
        """Return an identifier that was never used before, even if a crash interrupted earlier processes."""
        with self._mutex:
            reserved = next(self._free, None)
            if reserved is None:
                first = self._environment.write(self._reserve_block)
                self._free = iter(range(first, first + BLOCK))
                reserved = next(self._free)
            self._last_id = reserved
            return reserved

    def sync_failed(self) -> None:
        """Record that a sync of the data failed: commits of all present active snapshots are refused."""
        self.failed_sync.mark(self._last_id)  # without the mutex, which may be held during a slow write

    def _reserve_block(self, transaction: Transaction) -> int:
        key = layout.snapshotter_key(self.name)
        number, next_id, generation = layout.SNAPSHOTTER.unpack(checksum.get(transaction, key) or b"")
        checksum.put(transaction, key, layout.SNAPSHOTTER.pack(number, next_id + BLOCK, generation))
        return int(next_id)

    def has_snapshots(self) -> bool:
        """Return whether there is a snapshot in any keyspace."""
        return has_snapshots(self._environment, self.name)

    def named_ids(self) -> Iterator[int]:
        """Yield the identifiers that any entry names: of snapshots, parents and children; some repeatedly.

        Raises:
            DataLoss: Entries disagree, are unreadable or out of order, so that identifiers may be missing.
        """
        return Agreement(self._environment, self.name, self.number).ids()

    def records(self) -> Iterator[Record]:
        """Yield the records of all snapshots of all keyspaces, in the order of their identifiers.

        Raises:
            DataLoss: A record is unreadable or missing.
        """
        first = 0
        while batch := self._environment.read(functools.partial(self._records, first=first)):
            yield from batch
            first = batch[-1].id + 1

    def _records(self, transaction: Transaction, first: int) -> list[Record]:
        prefix = b"i" + self.number
        entries = ascending(transaction, prefix, layout.id_key(self.number, first))
        return [
            self._read(transaction, int.from_bytes(id_key[len(prefix) :], "big"), key)
            for id_key, key in itertools.islice(entries, BATCH)
        ]

    def _read(self, transaction: Transaction, id_: int, key: bytes) -> Record:
        """Return the record to which an identifier leads."""
        data = checksum.get(transaction, key)
        if not data or id_in(data) != id_:
            raise DataLoss(f"snapshotter {self.name}: the record of identifier {id_} is missing")
        return decode(data)

    def record(self, id_: int) -> tuple[str, Record] | None:
        """Return the keyspace and the record of an identifier, or None if no snapshot has it.

        Raises:
            DataLoss: The record cannot be read, or the identifier leads to none.
        """
        return self._environment.read(lambda transaction: self._record(transaction, id_))

    def _record(self, transaction: Transaction, id_: int) -> tuple[str, Record] | None:
        key = checksum.get(transaction, layout.id_key(self.number, id_))
        if key is None:
            return None
        record = self._read(transaction, id_, key)
        number = key[1 : 1 + layout.NUMBER.size]
        name = self._keyspaces(transaction).get(number)
        if name is None:
            raise DataLoss(f"snapshotter {self.name}: keyspace number {number.hex()} has no name")
        return name, record

    def _keyspaces(self, transaction: Transaction) -> dict[bytes, str]:
        """Return the names of this snapshotter's keyspaces, by number."""
        names = keyspace_names(transaction).items()
        return {number: name for number, (snapshotter, name) in names if snapshotter == self.name}

    def add_checksums(self) -> Iterator[int]:
        """Add checksums to the entries that schema version 2 stored.

        Yields:
            The number of entries changed, for each batch.
        """
        numbers = self._environment.read(self._keyspaces)
        yield from add_checksums(self._environment, b"i" + self.number)
        for number in numbers:
            yield from add_checksums(self._environment, b"k" + number)
            yield from add_checksums(self._environment, b"c" + number)

    def is_salvaged(self) -> bool:
        """Return whether the store was salvaged from a damaged one, and not rebuilt since."""
        return self._environment.read(lambda transaction: checksum.get(transaction, layout.SALVAGED)) is not None

    def boot(self) -> str:
        """Return the boot id last passed to `remember_boot`, or ""."""
        key = layout.boot_key(self.name)
        return self._environment.read(lambda transaction: (checksum.get(transaction, key) or b"").decode())

    def remember_boot(self, boot: str) -> None:
        """Store the machine's boot id (proc(5), /proc/sys/kernel/random/boot_id)."""
        key = layout.boot_key(self.name)
        self._environment.write(lambda transaction: checksum.put(transaction, key, boot.encode()))


def has_snapshots(environment: Environment, name: str) -> bool:
    """Return whether there are snapshots of a snapshotter, which need not be known."""
    return environment.read(functools.partial(_has_snapshots, key=layout.snapshotter_key(name)))


def _has_snapshots(transaction: Transaction, key: bytes) -> bool:
    known = checksum.get(transaction, key)
    if known is None:
        return False
    prefix = b"i" + layout.NUMBER.pack(layout.SNAPSHOTTER.unpack(known)[0])
    cursor = transaction.cursor()
    return bool(cursor.set_range(prefix)) and cursor.key().startswith(prefix)


def check_name(what: str, name: str) -> None:
    """Check the name of a snapshotter or of a keyspace.

    Args:
        what: "snapshotter" or "keyspace", for the message.
        name: The name.

    Raises:
        InvalidArgument: It is empty, longer than 128 bytes, or not printable text.
    """
    if not name or "\0" in name or not name.isprintable() or len(name.encode()) > 128:
        raise InvalidArgument(f"{what} name {name[:128]!r}: expected 1 to 128 bytes of printable text")
