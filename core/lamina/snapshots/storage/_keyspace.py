"""The operations of the snapshotter contract on the records of one keyspace."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from lamina.context import current
from lamina.errdefs import Aborted, FailedPrecondition, InvalidArgument, NotFound
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots.labels import check_labels
from lamina.snapshots.storage import _checksum as checksum
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._environment import Environment, Transaction
from lamina.snapshots.storage._layout import check_key, shorten
from lamina.snapshots.storage._preconditions import Preconditions
from lamina.snapshots.storage._record import Record, decode, encode
from lamina.snapshots.storage._selection import fields, parse_filters
from lamina.snapshots.storage._table import Table
from lamina.steps import Steps, ask, run

if TYPE_CHECKING:
    from lamina.snapshots.storage._snapshotter_store import SnapshotterStore


class Keyspace:
    """The snapshots of one snapshotter under one name. Every method may be called from any thread."""

    def __init__(self, environment: Environment, store: SnapshotterStore, name: str) -> None:
        """Use `SnapshotterStore.keyspace`."""
        self._environment = environment
        self._store = store
        self.name = name
        self._table = Table(store.name, store.number, name)
        self._preconditions = Preconditions(self._table, store.failed_sync)

    def get(self, key: str) -> Record:
        """The record of a snapshot of any kind.

        Raises:
            NotFound: There is no such snapshot.
        """
        return decode(self.get_data(key))

    def get_data(self, key: str) -> bytes:
        """As `get`, the record's bytes (`info_message`).

        Raises:
            NotFound: There is no such snapshot.
        """
        name = check_key(key)
        return self._environment.read(
            lambda transaction: self._table.get_data(transaction, self._table.number(transaction), name)
        )

    def get_mountable(self, key: str) -> Record:
        """The record of a snapshot that can be mounted: an active one or a view.

        Raises:
            NotFound: There is no such snapshot.
            FailedPrecondition: It is committed.
        """
        record = self.get(key)
        if record.info.kind is Kind.COMMITTED:
            raise FailedPrecondition(
                f"snapshot {shorten(key)} is committed and has no mounts: prepare or view a snapshot on it"
            )
        return record

    def draft(self, kind: Kind, key: str, parent: str, labels: Mapping[str, str]) -> Record:
        """The record of a snapshot that could be created now, with an identifier reserved for it.

        Nothing is stored. Whoever has made the snapshot's data passes the draft to `create`.

        Raises:
            InvalidArgument: The kind is not active or view; key or labels are malformed; the parent is not
                committed.
            NotFound: The parent does not exist.
            AlreadyExists: The key is taken.
        """
        if kind not in (Kind.ACTIVE, Kind.VIEW):
            raise InvalidArgument(f"snapshot {shorten(key)}: cannot create one of kind {kind.name.lower()}")
        draft = Record(id=0, info=Info(key, kind, parent, check_labels(labels)))
        parent_ids = self._environment.read(
            lambda transaction: self._preconditions.check_create(
                transaction, self._table.number(transaction), draft
            )
        )
        return attrs.evolve(draft, id=self._store.reserve_id(), parent_ids=parent_ids)

    def create(self, draft: Record) -> Record:
        """Store a snapshot that `draft` described. Durable on return.

        Raises:
            NotFound, InvalidArgument, AlreadyExists: As `draft`, if something has changed since.
            Aborted: The parent is another one than it was.
        """
        return run(self.create_steps(draft))

    def create_steps(self, draft: Record) -> Steps[Record]:
        """As `create`."""
        return ask(self._environment, lambda transaction: self._create(transaction, draft))

    def _create(self, transaction: Transaction, draft: Record) -> Record:
        space = self._table.make_number(transaction)
        if self._preconditions.check_create(transaction, space, draft) != draft.parent_ids:
            raise Aborted(
                f"parent snapshot {shorten(draft.info.parent)} was removed and made again while "
                f"{shorten(draft.info.name)} was made on it: try again"
            )
        now = time.time_ns()
        info = attrs.evolve(draft.info, created=now, updated=now)
        record = attrs.evolve(draft, info=info)
        self._table.put(transaction, space, record)
        return record

    def commit(self, name: str, draft: Record, labels: Mapping[str, str], parent: str, usage: Usage) -> Record:
        """Turn an active snapshot into a committed one. Durable on return.

        Args:
            name: The name that it gets.
            draft: The active snapshot's record, as it was when its usage was measured.
            labels: The labels that it gets; none are inherited.
            parent: Its own parent, or "", or where it has none the one that it gets.
            usage: What is stored as its usage.

        Raises:
            AlreadyExists: The name is taken.
            NotFound: The active snapshot is gone, or the parent does not exist.
            FailedPrecondition: The snapshot is not active, or the parent is not committed.
            InvalidArgument: The parent is another one than the snapshot has; name or labels are malformed.
            DataLoss: A sync failed while the snapshot was active.
        """
        return run(self.commit_steps(name, draft, labels, parent, usage))

    def commit_steps(
        self, name: str, draft: Record, labels: Mapping[str, str], parent: str, usage: Usage
    ) -> Steps[Record]:
        """As `commit`."""
        new_labels = check_labels(labels)
        return ask(
            self._environment,
            lambda transaction: self._commit(transaction, name, draft, new_labels, parent, usage),
        )

    def check_commit(self, name: str, key: str, parent: str) -> Record:
        """The record of an active snapshot that could be committed now.

        Raises:
            Error: As `commit`.
        """
        return self._environment.read(
            lambda transaction: self._preconditions.check_commit(
                transaction, self._table.number(transaction), name, key, parent
            )
        )

    def _commit(
        self,
        transaction: Transaction,
        name: str,
        draft: Record,
        labels: Mapping[str, str],
        parent: str,
        usage: Usage,
    ) -> Record:
        self._store.failed_sync.store(transaction)
        space, key = self._table.make_number(transaction), draft.info.name
        record = self._preconditions.check_commit(transaction, space, name, key, parent)
        if record.id != draft.id:
            raise NotFound(f"snapshot {shorten(key)} was removed and made again while it was committed")
        now = _later_than(record.info)
        info = Info(name, Kind.COMMITTED, record.info.parent, labels, created=now, updated=now)
        committed = attrs.evolve(record, info=info, usage=usage)
        transaction.delete(layout.record_key(space, check_key(key)))
        self._table.put(transaction, space, committed)
        return committed

    def remove(self, key: str) -> Record:
        """Delete the record of a snapshot and return it. Durable on return.

        Raises:
            NotFound: There is no such snapshot.
            HasChildren: Others are built on it; the message names some.
        """
        return run(self.remove_steps(key))

    def remove_steps(self, key: str) -> Steps[Record]:
        """As `remove`."""
        data = check_key(key)
        return ask(self._environment, lambda transaction: self._remove(transaction, data))

    def _remove(self, transaction: Transaction, key: bytes) -> Record:
        space, record = self._table.locate(transaction, key)
        self._preconditions.check_childless(transaction, space, record)
        self._table.delete(transaction, space, key, record)
        return record

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Record:
        """Change the labels of a snapshot, as `Snapshotter.update` says. Durable on return.

        Raises:
            NotFound: There is no such snapshot.
            InvalidArgument: A field path names something that cannot change; a label is malformed.
        """
        return run(self.update_steps(info, fieldpaths))

    def update_steps(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Steps[Record]:
        """As `update`."""
        data = check_key(info.name)
        labels = check_labels(info.labels)
        return ask(self._environment, lambda transaction: self._update(transaction, data, labels, fieldpaths))

    def _update(
        self, transaction: Transaction, key: bytes, labels: Mapping[str, str], fieldpaths: tuple[str, ...]
    ) -> Record:
        space, record = self._table.locate(transaction, key)
        new_labels = _apply(record.info, labels, fieldpaths or ("labels",))
        info = attrs.evolve(record.info, labels=new_labels, updated=_later_than(record.info))
        updated = attrs.evolve(record, info=info)
        checksum.put(transaction, layout.record_key(space, key), encode(updated))
        return updated

    def walk(self, *expressions: str) -> Iterator[Record]:
        """The records that match any filter (all, where there is none), in byte order of their keys.

        No transaction is open while a record is looked at: the walk reads in batches.

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised at once, not at the first record.
        """
        chosen = parse_filters(expressions)
        return (record for record in map(decode, self._values()) if chosen.match(fields(record.info)))

    def walk_data(self, *expressions: str) -> Iterator[bytes]:
        """As `walk`, the records' bytes (`info_message`).

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised at once, not at the first record.
        """
        if not expressions:
            return self._values()
        chosen = parse_filters(expressions)
        return (data for data in self._values() if chosen.match(fields(decode(data).info)))

    def _values(self) -> Iterator[bytes]:
        start: bytes | None = None
        while True:
            current().check()
            values, start = self._environment.read(functools.partial(self._table.batch, start=start))
            yield from values
            if start is None:
                return


def _later_than(info: Info) -> int:
    """Now, or as good as now if the clock was set back: so a state of a record is known by its time."""
    return max(time.time_ns(), info.updated + 1)


def _apply(info: Info, labels: Mapping[str, str], fieldpaths: tuple[str, ...]) -> dict[str, str]:
    """The labels after an update along the field paths."""
    result = dict(info.labels)
    for path in fieldpaths:
        field, _, key = path.partition(".")
        if field != "labels" or path == "labels.":
            raise InvalidArgument(
                f"snapshot {shorten(info.name)}: cannot update {path!r}: only labels can change "
                "(field paths `labels` and `labels.<key>`)"
            )
        if not key:
            result = dict(labels)
        elif key in labels:
            result[key] = labels[key]
        else:
            result.pop(key, None)
    return result
