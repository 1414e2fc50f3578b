"""The part of a store that is one snapshotter's."""

from __future__ import annotations

import functools
import itertools
import logging
import threading
import time
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import DataLoss, InvalidArgument, ReadOnly, ResourceExhausted
from lamina.fs import Ballast
from lamina.snapshots.storage import _checksum as checksum
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._agreement import Agreement
from lamina.snapshots.storage._entries import ascending
from lamina.snapshots.storage._environment import Environment, Transaction
from lamina.snapshots.storage._failed_sync import FailedSync, failed_sync_path
from lamina.snapshots.storage._keyspace import Keyspace
from lamina.snapshots.storage._record import Record, decode, id_in
from lamina.snapshots.storage._schema import add_checksums
from lamina.snapshots.storage._table import next_number

_log = logging.getLogger(__name__)

BLOCK: Final = 1024
"""How many identifiers one durable reservation covers."""
BATCH: Final = 256
"""How many entries one read transaction of a walk covers."""


class SnapshotterStore:
    """What one snapshotter remembers: its keyspaces, and identifiers that are unique across them."""

    def __init__(self, environment: Environment, uuid: str, state: str, name: str, ballast: Ballast) -> None:
        """Use `MetaStore.snapshotter`."""
        self._environment = environment
        self.uuid = uuid
        """The UUID of the whole store."""
        self.state = state
        """A directory for what need not survive a reboot, shared by all snapshotters of the store."""
        self.name = name
        self.ballast = ballast
        """The space beside the metastore's file, for removals when there is no other."""
        self._number, self.first_id, self.opened_before = self._register()
        """`first_id`: every identifier below it was handed out by an earlier opening of the store.
        `opened_before`: how often it was opened. A data root that was opened more often knows more than the store.
        """
        self._mutex = threading.Lock()
        self._free = iter(range(0))
        self._last_id = self.first_id - 1
        """The highest identifier that was handed out."""
        path = failed_sync_path(state, uuid, name, self._number)
        self.failed_sync = FailedSync(environment, name, path, self._last_id)

    def _register(self) -> tuple[bytes, int, int]:
        """Count this opening, if the store can be written to, and return what was stored before."""
        try:
            found = self._environment.write(self._count_opening)
            self.counted = True
        except (ResourceExhausted, ReadOnly) as error:
            key = layout.snapshotter_key(self.name)
            known = self._environment.read(lambda transaction: checksum.get(transaction, key))
            if known is None:
                raise
            _log.warning("cannot count this start", exc_info=error, extra={"snapshotter": self.name})
            found = layout.SNAPSHOTTER.unpack(known)
            self.counted = False
        number, next_id, generation = found
        return layout.NUMBER.pack(number), next_id, generation

    def _count_opening(self, transaction: Transaction) -> tuple[int, int, int]:
        key = layout.snapshotter_key(self.name)
        stored = checksum.get(transaction, key)
        if stored is not None:
            number, next_id, generation = layout.SNAPSHOTTER.unpack(stored)
        elif transaction.get(layout.SALVAGED) is not None:  # perhaps it was there, and is lost
            number, next_id, generation = next_number(transaction), layout.UNKNOWN_ID, int(time.time())
        else:
            number, next_id, generation = next_number(transaction), 1, 0
        checksum.put(transaction, key, layout.SNAPSHOTTER.pack(number, next_id, generation + 1))
        return number, next_id, generation

    def count_opening(self) -> int:
        """Count this opening, if it could not be counted at once; returns how many there were, with this one.

        Raises:
            ResourceExhausted, ReadOnly: The store still cannot be written to.
        """
        with self._mutex:
            if not self.counted:
                self._environment.write(self._count_opening)
                self.counted = True
        return self.opened_before + 1

    def keyspace(self, name: str) -> Keyspace:
        """The keyspace of that name; it exists from its first snapshot on.

        Raises:
            InvalidArgument: The name is empty, has more than 128 bytes, or is no printable text.
        """
        check_name("keyspace", name)
        return Keyspace(self._environment, self, name)

    @property
    def number(self) -> bytes:
        """The four bytes that stand for this snapshotter in database keys."""
        return self._number

    def reserve_id(self) -> int:
        """An identifier that was never handed out before and never will be again, whatever crashes."""
        with self._mutex:
            reserved = next(self._free, None)
            if reserved is None:
                first = self._environment.write(self._reserve_block)
                self._free = iter(range(first, first + BLOCK))
                reserved = next(self._free)
            self._last_id = reserved
            return reserved

    def sync_failed(self) -> None:
        """Remember that a sync of the data failed: active snapshots of now are refused at their commit."""
        self.failed_sync.mark(self._last_id)  # without the mutex, which may be held as long as a disk takes

    def _reserve_block(self, transaction: Transaction) -> int:
        key = layout.snapshotter_key(self.name)
        number, next_id, generation = layout.SNAPSHOTTER.unpack(checksum.get(transaction, key) or b"")
        checksum.put(transaction, key, layout.SNAPSHOTTER.pack(number, next_id + BLOCK, generation))
        return int(next_id)

    def ids(self) -> Iterator[int]:
        """The identifiers of all snapshots of all keyspaces, in order, read in batches.

        Raises:
            DataLoss: The entries that lead from identifiers to records are not in order.
        """
        first = 0
        while batch := self._environment.read(functools.partial(self._index, first=first)):
            yield from (id_ for id_, _ in batch)
            first = batch[-1][0] + 1

    def _index(self, transaction: Transaction, first: int) -> list[tuple[int, bytes]]:
        """Some identifiers, and the database keys of their records."""
        prefix = b"i" + self._number
        entries = ascending(transaction, prefix, layout.id_key(self._number, first))
        return [
            (int.from_bytes(key[len(prefix) :], "big"), value) for key, value in itertools.islice(entries, BATCH)
        ]

    def named_ids(self) -> Iterator[int]:
        """The identifiers that any entry names: of snapshots, of parents, of children. Some come repeatedly.

        Raises:
            DataLoss: Entries disagree, cannot be read or are not in order: then some may be missing.
        """
        return Agreement(self._environment, self.name, self._number).ids()

    def records(self) -> Iterator[Record]:
        """The records of all snapshots of all keyspaces, in order of their identifiers, read in batches.

        Raises:
            DataLoss: A record cannot be read, or an identifier leads to none.
        """
        first = 0
        while batch := self._environment.read(functools.partial(self._records, first=first)):
            yield from batch
            first = batch[-1].id + 1

    def _records(self, transaction: Transaction, first: int) -> list[Record]:
        return [self._read(transaction, id_, key) for id_, key in self._index(transaction, first)]

    def _read(self, transaction: Transaction, id_: int, key: bytes) -> Record:
        """The record that an identifier leads to."""
        data = checksum.get(transaction, key)
        if not data or id_in(data) != id_:
            raise DataLoss(f"snapshotter {self.name}: the record of identifier {id_} is missing")
        return decode(data)

    def record(self, id_: int) -> tuple[str, Record] | None:
        """The keyspace and the record of an identifier, or None where no snapshot has it.

        Raises:
            DataLoss: The record cannot be read, or the identifier leads to none.
        """
        return self._environment.read(lambda transaction: self._record(transaction, id_))

    def _record(self, transaction: Transaction, id_: int) -> tuple[str, Record] | None:
        key = checksum.get(transaction, layout.id_key(self._number, id_))
        if key is None:
            return None
        record = self._read(transaction, id_, key)
        return self._keyspace_name(transaction, key[1 : 1 + layout.NUMBER.size]), record

    def _keyspace_name(self, transaction: Transaction, space: bytes) -> str:
        prefix = layout.space_key(self.name, "")
        for key, number in ascending(transaction, prefix):
            if number == space:
                return key[len(prefix) :].decode()
        raise DataLoss(f"snapshotter {self.name}: keyspace number {space.hex()} has no name")

    def add_checksums(self) -> Iterator[int]:
        """Give the entries that schema version 2 stored their checksums, in batches.

        Yields:
            How many a batch had that were without one.
        """
        spaces = self._environment.read(
            lambda transaction: [number for _, number in ascending(transaction, layout.space_key(self.name, ""))]
        )
        yield from add_checksums(self._environment, b"i" + self._number)
        for space in spaces:
            yield from add_checksums(self._environment, b"k" + space)
            yield from add_checksums(self._environment, b"c" + space)

    def is_salvaged(self) -> bool:
        """Whether the store was put together from a damaged one, and not rebuilt since."""
        return self._environment.read(lambda transaction: checksum.get(transaction, layout.SALVAGED)) is not None

    def boot(self) -> str:
        """The machine's boot during which `remember_boot` was last called, or ""."""
        key = layout.boot_key(self.name)
        return self._environment.read(lambda transaction: (checksum.get(transaction, key) or b"").decode())

    def remember_boot(self, boot: str) -> None:
        """Store the boot id of the machine (proc(5), /proc/sys/kernel/random/boot_id)."""
        key = layout.boot_key(self.name)
        self._environment.write(lambda transaction: checksum.put(transaction, key, boot.encode()))


def check_name(what: str, name: str) -> None:
    """Check the name of a snapshotter or of a keyspace.

    Args:
        what: Which of the two.
        name: The name.

    Raises:
        InvalidArgument: It is empty, has more than 128 bytes, or is no printable text.
    """
    if not name or "\0" in name or not name.isprintable() or len(name.encode()) > 128:
        raise InvalidArgument(f"{what} name {name[:128]!r}: expected 1 to 128 bytes of printable text")
