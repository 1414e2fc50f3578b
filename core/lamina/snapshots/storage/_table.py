"""The entries of one keyspace: its records, and those that lead to them."""

from __future__ import annotations

from lamina.errdefs import NotFound
from lamina.snapshots.storage import _checksum as checksum
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._batch import batch
from lamina.snapshots.storage._environment import Transaction
from lamina.snapshots.storage._layout import shorten
from lamina.snapshots.storage._record import Record, decode, encode


class Table:
    """The records of one keyspace, by key, each with the entries that lead to it from its identifier and parent.

    A keyspace has a number in the database's keys, which it is given with its first record. Methods take the
    number, None before that, as a caller looks several records up in one transaction.
    """

    def __init__(self, snapshotter: str, snapshotter_number: bytes, name: str) -> None:
        """Look at one keyspace.

        Args:
            snapshotter: The snapshotter's name.
            snapshotter_number: Its number in the database's keys.
            name: The keyspace's name.
        """
        self._snapshotter_number = snapshotter_number
        self._number_key = layout.space_key(snapshotter, name)
        self._remembered: bytes | None = None

    def number(self, transaction: Transaction) -> bytes | None:
        """As `find_number`, for read transactions: what they see is there for good, so it is remembered."""
        if self._remembered is None:
            self._remembered = self.find_number(transaction)
        return self._remembered

    def find_number(self, transaction: Transaction) -> bytes | None:
        """The keyspace's number; None until its first snapshot is created.

        Not remembered where it is read in a write transaction: it may be undone with it.
        """
        return self._remembered or checksum.get(transaction, self._number_key)

    def make_number(self, transaction: Transaction) -> bytes:
        """As `find_number`, given now where there is none."""
        number = self.find_number(transaction)
        if number is None:
            number = layout.NUMBER.pack(next_number(transaction))
            checksum.put(transaction, self._number_key, number)
        return number

    def get(self, transaction: Transaction, space: bytes | None, key: bytes) -> Record:
        """The record of a key.

        Raises:
            NotFound: There is none.
        """
        return decode(self.get_data(transaction, space, key))

    def get_data(self, transaction: Transaction, space: bytes | None, key: bytes) -> bytes:
        """As `get`, the record's bytes.

        Raises:
            NotFound: There is none.
        """
        data = space and checksum.get(transaction, layout.record_key(space, key))
        if not data:
            raise _missing(key)
        return data

    def locate(self, transaction: Transaction, key: bytes) -> tuple[bytes, Record]:
        """The keyspace's number and the record of a key, in a write transaction.

        Raises:
            NotFound: There is none.
        """
        space = self.find_number(transaction)
        if space is None:
            raise _missing(key)
        return space, decode(self.get_data(transaction, space, key))

    def put(self, transaction: Transaction, space: bytes, record: Record) -> None:
        """Store a record and the two keys that lead to it, from its parent and from its identifier."""
        name = record.info.name.encode()
        key = layout.record_key(space, name)
        checksum.put(transaction, key, encode(record))
        checksum.put(transaction, layout.id_key(self._snapshotter_number, record.id), key)
        if record.parent_ids:
            checksum.put(transaction, layout.child_key(space, record.parent_ids[0], record.id), name)

    def delete(self, transaction: Transaction, space: bytes, key: bytes, record: Record) -> None:
        """Delete what `put` stored of a record."""
        transaction.delete(layout.record_key(space, key))
        transaction.delete(layout.id_key(self._snapshotter_number, record.id))
        if record.parent_ids:
            transaction.delete(layout.child_key(space, record.parent_ids[0], record.id))

    def batch(self, transaction: Transaction, start: bytes | None) -> tuple[list[bytes], bytes | None]:
        """Some records' bytes in byte order of their keys, and where the next ones start (`_batch.batch`)."""
        space = self.number(transaction)
        return ([], None) if space is None else batch(transaction, b"k" + space, start)


def next_number(transaction: Transaction) -> int:
    """A number that no snapshotter or keyspace of the store has yet."""
    number = int(checksum.get(transaction, layout.COUNTER) or b"0") + 1
    checksum.put(transaction, layout.COUNTER, str(number).encode())
    return number


def _missing(key: bytes) -> NotFound:
    return NotFound(f"snapshot {shorten(key.decode())} does not exist")
