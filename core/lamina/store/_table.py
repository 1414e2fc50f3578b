"""The entries of one owner."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias, TypeVar

from lamina.context import current
from lamina.errdefs import FailedPrecondition, InvalidArgument
from lamina.steps import ask, run
from lamina.store import _checksum as checksum
from lamina.store._entries import BATCH, ascending
from lamina.store._environment import Environment, Transaction
from lamina.store._format import (
    DATABASE_KEY_LIMIT,
    OWNER_LIMIT,
    TABLE,
    owner_of,
    shorten,
    table_prefix,
    version_of,
)
from lamina.store._full_disk import remove_on_full_disk

Result = TypeVar("Result")
Migrate: TypeAlias = Callable[[int, bytes, bytes], tuple[bytes, bytes]]
"""Returns the key and the value of an entry in the present version, given its version, key and value."""

VERSIONS: Final = 255
"""The highest version that a table can have."""
KEY_LIMIT: Final = DATABASE_KEY_LIMIT - len(TABLE) - OWNER_LIMIT - 2
"""Maximum length of a key of a table in bytes."""
_PAUSES: Final = (0.0, 0.05, 0.2, 0.8)
"""Seconds before each further attempt to remove something on a full disk: btrfs frees space late."""


class TableTransaction:
    """A table during one transaction."""

    def __init__(self, transaction: Transaction, environment: Environment, prefix: bytes) -> None:
        """Use `Table.read`, `Table.write` or `Table.within`."""
        self._transaction = transaction
        self._environment = environment
        self._prefix = prefix

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None if there is none.

        Raises:
            DataLoss: Its checksum is wrong.
        """
        return checksum.get(self._transaction, self._key(key))

    def put(self, key: bytes, value: bytes) -> None:
        """Store a value with its checksum; `Table.write` only.

        Raises:
            InvalidArgument: The key has more than `KEY_LIMIT` bytes.
        """
        checksum.put(self._transaction, self._key(key), value)

    def delete(self, key: bytes) -> bool:
        """Delete an entry; `Table.write` only. Return whether there was one."""
        return self._transaction.delete(self._key(key))

    def ascending(self, prefix: bytes = b"", start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries whose keys have a prefix, in order. None may be stored or deleted meanwhile.

        Args:
            prefix: The prefix of the keys.
            start: The key to start at; empty: the first one with the prefix.

        Raises:
            DataLoss: The keys are not in ascending order, or a checksum is wrong.
        """
        skipped = len(self._prefix)
        found = ascending(self._transaction, self._key(prefix), self._key(start or prefix))
        return ((key[skipped:], value) for key, value in found)

    def of(self, environment: Environment, prefix: bytes) -> TableTransaction:
        """Return another table during the same transaction. Use `Table.within`.

        Raises:
            InvalidArgument: It is in another environment.
        """
        if environment is not self._environment:
            raise InvalidArgument("a transaction covers the tables of one store, and this table is of another one")
        return TableTransaction(self._transaction, environment, prefix)

    def _key(self, key: bytes) -> bytes:
        if len(key) > KEY_LIMIT:
            shown = shorten(key.decode(errors="replace"))
            raise InvalidArgument(f"key {shown}: it has {len(key)} bytes, more than the maximum of {KEY_LIMIT}")
        return self._prefix + key


class Table:
    """The entries of one owner. Keys and values are bytes. Every method may be called from any thread."""

    def __init__(self, environment: Environment, prefix: bytes, make_space: Callable[[], None]) -> None:
        """Use `Store.table`."""
        self._environment = environment
        self._prefix = prefix
        self._make_space = make_space

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None if there is none.

        Raises:
            DataLoss: Its checksum is wrong.
            Unavailable: The store is closed, or unusable after a failed commit.
        """
        return self.read(lambda transaction: transaction.get(key))

    def walk(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries whose keys have a prefix, in order.

        The walk reads in batches: no transaction is open while the caller handles an entry, and an entry that is
        stored or deleted meanwhile may or may not be met.

        Raises:
            DataLoss: The keys are not in ascending order, or a checksum is wrong.
            Canceled, DeadlineExceeded: The current call ended.
        """
        start = prefix
        while True:
            current().check()
            batch = self.read(functools.partial(_batch, prefix=prefix, start=start))
            yield from batch
            if len(batch) < BATCH:
                return
            start = batch[-1][0] + b"\0"

    def read(self, body: Callable[[TableTransaction], Result]) -> Result:
        """Run `body`, which must not block, in a read transaction, and return its result."""
        return self._environment.read(lambda transaction: body(self._during(transaction)))

    def write(self, body: Callable[[TableTransaction], Result]) -> Result:
        """Run `body` in a write transaction, and return its result once the transaction is durable.

        Operations of all owners that wait at the same time share a commit. If `body` raises, nothing of it is
        stored.

        Args:
            body: It may run more than once, in any thread; only its last run counts. It must not be slow.

        Raises:
            ResourceExhausted: The disk is full. Nothing of the operation is stored.
            ReadOnly: The file system is read-only.
            Unavailable: The store is closed, or unusable after a failed commit.
            Canceled, DeadlineExceeded: The call ended before the operation ran.
            Exception: Any exception of `body`.
        """
        return self._environment.write(lambda transaction: body(self._during(transaction)))

    def remove(self, body: Callable[[TableTransaction], Result]) -> Result:
        """Run `body`, which deletes entries, as `write` does; on a full disk, space is made for it.

        Raises:
            ResourceExhausted: The disk is still full after that.
            Exception: As `write`.
        """
        ask_for = functools.partial(ask, self._environment, lambda transaction: body(self._during(transaction)))
        result: Result = run(remove_on_full_disk(ask_for, self._make_space, _PAUSES))
        return result

    def within(self, transaction: TableTransaction) -> TableTransaction:
        """Return this table during a transaction of another table, so that both change together or not at all.

        Args:
            transaction: The argument of the body of the other table's `read` or `write`.

        Raises:
            InvalidArgument: The other table is of another store.
        """
        return transaction.of(self._environment, self._prefix)

    def _during(self, transaction: Transaction) -> TableTransaction:
        return TableTransaction(transaction, self._environment, self._prefix)


def open_table(
    environment: Environment, owner: str, version: int, migrate: Migrate | None, make_space: Callable[[], None]
) -> Table:
    """Return a table after its migration, with `make_space` for removals on a full disk; see `Store.table`."""
    if not (owner.isascii() and owner.isalpha() and owner.islower() and len(owner) <= OWNER_LIMIT):
        raise InvalidArgument(f"owner {owner!r} of a table: expected 1 to {OWNER_LIMIT} lower-case letters")
    if not 1 <= version <= VERSIONS:
        raise InvalidArgument(f"version {version} of the table of {owner}: expected 1 to {VERSIONS}")
    found = environment.read(lambda transaction: _versions(transaction, owner))
    if found and found[-1] > version:
        raise FailedPrecondition(
            f"the entries of {owner} in the metastore have schema version {found[-1]}, this lamina reads up to "
            f"{version}: upgrade lamina"
        )
    table = Table(environment, table_prefix(owner, version), make_space)
    for old in found:
        if old < version:
            before = Table(environment, table_prefix(owner, old), make_space)
            table.write(functools.partial(_migrate, before=before, owner=owner, old=old, migrate=migrate))
    return table


def _versions(transaction: Transaction, owner: str) -> list[int]:
    """Return the versions in which an owner has entries, in ascending order."""
    found: list[int] = []
    cursor = transaction.cursor()
    least = 1
    while least <= VERSIONS and cursor.set_range(table_prefix(owner, least)) and owner_of(cursor.key()) == owner:
        found.append(version_of(cursor.key()))
        least = found[-1] + 1
    return found


def _migrate(after: TableTransaction, before: Table, owner: str, old: int, migrate: Migrate | None) -> None:
    if migrate is None:
        raise FailedPrecondition(
            f"the entries of {owner} in the metastore have schema version {old}, which this lamina cannot read"
        )
    earlier = before.within(after)
    for key, value in list(earlier.ascending()):
        after.put(*migrate(old, key, value))
        earlier.delete(key)


def _batch(transaction: TableTransaction, prefix: bytes, start: bytes) -> list[tuple[bytes, bytes]]:
    return list(itertools.islice(transaction.ascending(prefix, start), BATCH))
