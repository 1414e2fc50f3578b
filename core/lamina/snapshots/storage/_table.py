"""The entries of one keyspace: its records, and the index entries that lead to them."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from lamina.context import current
from lamina.errdefs import NotFound
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._batch import batch
from lamina.snapshots.storage._layout import shorten
from lamina.snapshots.storage._record import Record, decode, encode
from lamina.store import _checksum as checksum
from lamina.store._entries import ascending
from lamina.store._environment import Environment, Transaction


class Table:
    """The records of one keyspace by key, each with index entries by identifier and by parent.

    A keyspace gets its number, by which database keys name it, with its first record. Methods take the number
    (b"" before that), so that a caller who looks up several records resolves it once.
    """

    def __init__(self, snapshotter: str, snapshotter_number: bytes, name: str) -> None:
        """Describe a keyspace.

        Args:
            snapshotter: The snapshotter's name.
            snapshotter_number: The snapshotter's number in database keys.
            name: The keyspace's name.
        """
        self._snapshotter_number = snapshotter_number
        self._number_key = layout.keyspace_key(snapshotter, name)
        self._number = b""

    def number(self, transaction: Transaction, *, create: bool = False) -> bytes:
        """Return the keyspace's number, or b"" if it has no snapshot yet.

        Args:
            transaction: A read transaction.
            create: Assign a number if there is none; `transaction` is a write transaction.
        """
        if self._number:
            return self._number
        number = checksum.get(transaction, self._number_key) or b""
        if not create:
            self._number = number
        elif not number:  # not cached: the transaction may be aborted
            number = layout.NUMBER.pack(next_number(transaction))
            checksum.put(transaction, self._number_key, number)
        return number

    def get(self, transaction: Transaction, number: bytes, key: bytes) -> Record:
        """Return the record of a key.

        Raises:
            NotFound: There is none.
        """
        return decode(self.get_data(transaction, number, key))

    def get_data(self, transaction: Transaction, number: bytes, key: bytes) -> bytes:
        """Return the encoded record of a key.

        Raises:
            NotFound: There is none.
        """
        data = number and checksum.get(transaction, layout.record_key(number, key))
        if not data:
            raise NotFound(f"snapshot {shorten(key.decode())} does not exist")
        return data

    def put(self, transaction: Transaction, number: bytes, record: Record) -> None:
        """Store a record and its index entries."""
        for key, value in record_entries(self._snapshotter_number, number, record):
            checksum.put(transaction, key, value)

    def delete(self, transaction: Transaction, number: bytes, key: bytes, record: Record) -> None:
        """Delete a record and its index entries."""
        transaction.delete(layout.record_key(number, key))
        transaction.delete(layout.id_key(self._snapshotter_number, record.id))
        if record.parent_ids:
            transaction.delete(layout.child_key(number, record.parent_ids[0], record.id))

    def walk(self, environment: Environment) -> Iterator[bytes]:
        """Yield the encoded records in byte order of their keys, without a transaction in between (`batch`)."""
        start: bytes | None = None
        while True:
            current().check()
            records, start = environment.read(functools.partial(self._batch, start=start))
            yield from records
            if start is None:
                return

    def _batch(self, transaction: Transaction, start: bytes | None) -> tuple[list[bytes], bytes | None]:
        number = self.number(transaction)
        return batch(transaction, b"k" + number, start) if number else ([], None)


def record_entries(snapshotter: bytes, keyspace: bytes, record: Record) -> list[tuple[bytes, bytes]]:
    """Return a record and its index entries, each with its database key."""
    name = record.info.name.encode()
    key = layout.record_key(keyspace, name)
    entries = [(key, encode(record)), (layout.id_key(snapshotter, record.id), key)]
    if record.parent_ids:
        entries.append((layout.child_key(keyspace, record.parent_ids[0], record.id), name))
    return entries


def keyspace_names(transaction: Transaction) -> dict[bytes, tuple[str, str]]:
    """Return the snapshotter and the name of each keyspace, by its number."""
    found: dict[bytes, tuple[str, str]] = {}
    for key, number in ascending(transaction, b"s"):
        snapshotter, _, keyspace = key[1:].decode().partition("\0")
        found[number] = snapshotter, keyspace
    return found


def next_number(transaction: Transaction) -> int:
    """Return a new number for a snapshotter or a keyspace."""
    number = int(checksum.get(transaction, layout.COUNTER) or b"0") + 1
    checksum.put(transaction, layout.COUNTER, str(number).encode())
    return number
