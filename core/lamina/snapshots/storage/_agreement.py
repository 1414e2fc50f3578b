"""The identifiers named by a snapshotter's entries, verified against each other."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from lamina.errdefs import DataLoss
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._layout import shorten
from lamina.snapshots.storage._record import decode, id_in
from lamina.store._checksum import get
from lamina.store._entries import BATCH, ascending
from lamina.store._environment import Environment, Transaction

Compare: TypeAlias = Callable[[Transaction, bytes, bytes], Iterable[int]]
"""Compares an entry with others of its transaction, and returns the identifiers that it names."""


def check_not_salvaged(transaction: Transaction) -> None:
    """Check that no entries of the store were left out because they were damaged.

    Raises:
        DataLoss: Some were, and the store was not rebuilt since.
    """
    since = get(transaction, layout.SALVAGED)
    if since is not None:
        raise DataLoss(
            f"damaged entries of the metastore were left out at {since.decode()}, so that it lacks some: restore "
            "them with `lamina metastore rebuild`"
        )


class Agreement:
    """Verifies the records of a snapshotter against the indexes of identifiers and children.

    Each entry is compared in the transaction that reads it, so that concurrent operations cause no disagreement.
    """

    def __init__(self, environment: Environment, snapshotter: str, number: bytes) -> None:
        """Compare the entries of a snapshotter.

        Args:
            environment: The environment.
            snapshotter: Its plugin id.
            number: Its number in database keys.
        """
        self._environment = environment
        self._snapshotter = snapshotter
        self._number = number
        self._keyspaces: set[bytes] = set()

    def ids(self) -> Iterator[int]:
        """Yield every identifier that an entry names, in no order and some repeatedly.

        Raises:
            DataLoss: Entries disagree, are unreadable or out of order. The message names the first.
        """
        self._environment.read(check_not_salvaged)
        self._keyspaces = self._environment.read(self._check_keyspaces)
        yield from self._compare_all(b"i" + self._number, self._compare_identifier)
        for keyspace in sorted(self._keyspaces):
            yield from self._compare_all(b"k" + keyspace, self._compare_record)
            yield from self._compare_all(b"c" + keyspace, self._compare_child)

    def _compare_all(self, prefix: bytes, compare: Compare) -> Iterator[int]:
        start = prefix
        while start:
            ids, start = self._environment.read(
                functools.partial(_batch, prefix=prefix, start=start, compare=compare)
            )
            yield from ids

    def _check_keyspaces(self, transaction: Transaction) -> set[bytes]:
        """Return the numbers of the snapshotter's keyspaces. Keyspaces without a name are a disagreement."""
        names = {number: key[1:].partition(b"\0") for key, number in ascending(transaction, b"s")}
        for snapshotter, _, _ in names.values():
            if get(transaction, b"n" + snapshotter) is None:
                raise self._disagreement(
                    f"a keyspace belongs to snapshotter {snapshotter!r}, which does not exist"
                )
        for number in _numbers(transaction):
            if number not in names:
                raise self._disagreement(f"keyspace number {number.hex()} has records and no name")
        own = self._snapshotter.encode()
        return {number for number, (snapshotter, _, _) in names.items() if snapshotter == own}

    def _is_own(self, transaction: Transaction, keyspace: bytes) -> bool:
        if keyspace not in self._keyspaces:  # perhaps created meanwhile
            self._keyspaces = self._check_keyspaces(transaction)
        return keyspace in self._keyspaces

    def _compare_identifier(self, transaction: Transaction, key: bytes, value: bytes) -> Iterable[int]:
        id_ = int.from_bytes(key[5:], "big")
        data = get(transaction, value)
        if not data or value[:1] != b"k" or not self._is_own(transaction, value[1:5]) or id_in(data) != id_:
            raise self._disagreement(f"identifier {id_} leads to no record of its own")
        return (id_,)

    def _compare_record(self, transaction: Transaction, key: bytes, value: bytes) -> Iterable[int]:
        record = decode(value)
        keyspace, name, shown = key[1:5], record.info.name.encode(), shorten(record.info.name)
        if layout.record_key(keyspace, name) != key:
            raise self._disagreement(f"the record of snapshot {shown} is under another's key")
        if get(transaction, layout.id_key(self._number, record.id)) != key:
            raise self._disagreement(f"identifier {record.id} does not lead to snapshot {shown}")
        if record.parent_ids:
            parent_id = record.parent_ids[0]
            if get(transaction, layout.child_key(keyspace, parent_id, record.id)) != name:
                raise self._disagreement(f"snapshot {shown} is not among its parent's children")
            if get(transaction, layout.id_key(self._number, parent_id)) is None:
                raise self._disagreement(f"identifier {parent_id} leads to no parent of snapshot {shown}")
        return (record.id, *record.parent_ids)

    def _compare_child(self, transaction: Transaction, key: bytes, value: bytes) -> Iterable[int]:
        parent_id, child_id = int.from_bytes(key[5:13], "big"), int.from_bytes(key[13:], "big")
        data = get(transaction, layout.record_key(key[1:5], value))
        if not data or id_in(data) != child_id or decode(data).parent_ids[:1] != (parent_id,):
            raise self._disagreement(f"identifier {parent_id} has a child {child_id} that does not exist")
        return (parent_id, child_id)

    def _disagreement(self, found: str) -> DataLoss:
        return DataLoss(f"the metastore's entries of snapshotter {self._snapshotter} disagree: {found}")


def _batch(transaction: Transaction, prefix: bytes, start: bytes, compare: Compare) -> tuple[set[int], bytes]:
    """Return the identifiers named by a batch of entries, and the start of the next batch; b"": there is none."""
    ids: set[int] = set()
    key = b""
    for key, value in itertools.islice(ascending(transaction, prefix, start), BATCH):
        ids.update(compare(transaction, key, value))
    return ids, key and key + b"\0"


def _numbers(transaction: Transaction) -> Iterator[bytes]:
    """Yield the numbers of the keyspaces that have records, without reading all records."""
    start = b"k"
    while True:
        key, _ = next(ascending(transaction, b"k", start), (b"", b""))
        if not key:
            return
        yield key[1:5]
        start = key[:5] + b"\xff" * layout.DATABASE_KEY_LIMIT
