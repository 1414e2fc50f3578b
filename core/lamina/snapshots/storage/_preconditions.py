"""Preconditions of creating, committing and deleting a record.

The order of the checks is containerd's, so that of two errors the same one is reported.
"""

from __future__ import annotations

import itertools
from typing import Final

import attrs

from lamina.errdefs import AlreadyExists, FailedPrecondition, HasChildren, InvalidArgument, NotFound
from lamina.snapshots._contract import Info, Kind
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._failed_sync import FailedSync
from lamina.snapshots.storage._layout import check_key, shorten
from lamina.snapshots.storage._record import Record, decode, lineage_in
from lamina.snapshots.storage._table import Table
from lamina.store import _checksum as checksum
from lamina.store._entries import ascending
from lamina.store._environment import Transaction

NAMED_CHILDREN: Final = 3
"""Maximum number of children that an error names."""


class Preconditions:
    """Checks the preconditions of one keyspace, in the transaction of the caller."""

    def __init__(self, table: Table, failed_sync: FailedSync) -> None:
        """Check the records of a table.

        Args:
            table: The keyspace's.
            failed_sync: Knows the active snapshots that can no longer be committed.
        """
        self._table = table
        self._failed_sync = failed_sync

    def check_create(self, transaction: Transaction, number: bytes, info: Info) -> tuple[int, ...]:
        """Check that a snapshot can be created, and return the identifiers of its parents.

        Raises:
            NotFound: The parent does not exist.
            InvalidArgument: It is not committed.
            AlreadyExists: The key is taken.
        """
        key = check_key(info.name)
        parent_ids: tuple[int, ...] = ()
        if info.parent:
            parent_ids = self._parent_ids(transaction, number, info.parent, InvalidArgument)
        self._check_free(transaction, number, key)
        return parent_ids

    def _parent_ids(
        self,
        transaction: Transaction,
        number: bytes,
        parent: str,
        uncommitted: type[InvalidArgument | FailedPrecondition],
    ) -> tuple[int, ...]:
        try:
            data = self._table.get_data(transaction, number, check_key(parent))
        except NotFound:
            raise NotFound(f"parent snapshot {shorten(parent)} does not exist") from None
        kind, ids = lineage_in(data)
        if kind is not Kind.COMMITTED:
            raise uncommitted(
                f"parent snapshot {shorten(parent)} is {_described(kind)}: only a committed snapshot can be a "
                "parent"
            )
        return ids

    def _check_free(self, transaction: Transaction, number: bytes, key: bytes) -> None:
        data = number and checksum.get(transaction, layout.record_key(number, key))
        if data:
            info = decode(data).info
            kind = info.kind.name.lower()
            article = "an" if info.kind is Kind.ACTIVE else "a"
            raise AlreadyExists(f"snapshot {shorten(info.name)} already exists as {article} {kind} snapshot")

    def check_commit(self, transaction: Transaction, number: bytes, name: str, key: str, parent: str) -> Record:
        """Check that a snapshot can be committed, and return its record with the parents that a commit gives it.

        Raises:
            Error: As `Keyspace.commit`.
        """
        self._check_free(transaction, number, check_key(name))
        record = self._table.get(transaction, number, check_key(key))
        info = record.info
        if info.kind is not Kind.ACTIVE:
            kind = _described(info.kind)
            raise FailedPrecondition(
                f"snapshot {shorten(key)} is {kind}: only an active snapshot can be committed"
            )
        self._failed_sync.check(transaction, record)
        if not parent or parent == info.parent:
            return record
        if info.parent:
            raise InvalidArgument(
                f"snapshot {shorten(key)} has the parent {shorten(info.parent)} and cannot be put on "
                f"{shorten(parent)}: only a snapshot without a parent can be given one at commit"
            )
        parent_ids = self._parent_ids(transaction, number, parent, FailedPrecondition)
        return record._replace(info=attrs.evolve(info, parent=parent), parent_ids=parent_ids)

    def check_childless(self, transaction: Transaction, number: bytes, record: Record) -> None:
        """Check that a snapshot has no children.

        Raises:
            HasChildren: It has; the message names some.
        """
        entries = ascending(transaction, layout.children_prefix(number, record.id))
        children = [shorten(child.decode()) for _, child in itertools.islice(entries, NAMED_CHILDREN + 1)]
        if children:
            more = " and others" if len(children) > NAMED_CHILDREN else ""
            raise HasChildren(
                f"cannot remove snapshot with child: {shorten(record.info.name)} is the parent of "
                f"{', '.join(children[:NAMED_CHILDREN])}{more}"
            )


def _described(kind: Kind) -> str:
    return {Kind.ACTIVE: "active", Kind.VIEW: "a view", Kind.COMMITTED: "committed"}[kind]
