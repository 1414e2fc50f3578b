"""The operations of the snapshotter contract on the records of one keyspace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

import attrs

from lamina.errdefs import Aborted, FailedPrecondition, InvalidArgument, NotFound
from lamina.labels import check_labels, update_labels
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._failed_sync import FailedSync
from lamina.snapshots.storage._layout import check_key, shorten
from lamina.snapshots.storage._preconditions import Preconditions
from lamina.snapshots.storage._record import Record, decode, encode
from lamina.snapshots.storage._selection import fields
from lamina.snapshots.storage._table import Table
from lamina.steps import Steps, ask
from lamina.store import _checksum as checksum
from lamina.store._environment import Environment, Transaction, Version


class Keyspace:
    """The records of one snapshotter under one client name. Every method may be called from any thread.

    An operation that writes returns steps (`lamina.steps`); its result is durable once they have run.
    """

    def __init__(
        self,
        environment: Environment,
        table: Table,
        failed_sync: FailedSync,
        reserve_id: Callable[[], int],
        name: str,
    ) -> None:
        """Use `SnapshotterStore.keyspace`."""
        self._environment = environment
        self._table = table
        self._failed_sync = failed_sync
        self._reserve_id = reserve_id
        self._preconditions = Preconditions(table, failed_sync)
        self.name = name

    def get(self, key: str) -> Record:
        """Return the record of a snapshot of any kind.

        Raises:
            NotFound: There is no such snapshot.
        """
        return decode(self.get_data(key)[0])

    def get_data(self, key: str) -> tuple[bytes, Version]:
        """Return the encoded record of a snapshot of any kind (see `info_message`), and the version that was read.

        Raises:
            NotFound: There is no such snapshot.
        """
        name = check_key(key)
        return self._environment.read(
            lambda transaction: (
                self._table.get_data(transaction, self._table.number(transaction), name),
                self._environment.version_of(transaction),
            )
        )

    def version(self) -> Version | None:
        """Return the version that a read would find now; None if it would wait or fail."""
        return self._environment.version()

    def get_mountable(self, key: str) -> tuple[Record, Version]:
        """Return the record of an active snapshot or a view, and the version that was read.

        Raises:
            NotFound: There is no such snapshot.
            FailedPrecondition: It is committed.
        """
        data, version = self.get_data(key)
        record = decode(data)
        if record.info.kind is Kind.COMMITTED:
            raise FailedPrecondition(
                f"snapshot {shorten(key)} is committed and has no mounts: prepare or view a snapshot on it"
            )
        return record, version

    def draft(self, kind: Kind, key: str, parent: str, labels: Mapping[str, str]) -> Record:
        """Return the record of a snapshot to be created, with a newly reserved identifier.

        Nothing is stored: make the snapshot's data, then pass the draft to `create`.

        Raises:
            InvalidArgument: The kind is not active or view; key or labels are malformed; the parent is not
                committed.
            NotFound: The parent does not exist.
            AlreadyExists: The key is taken.
        """
        if kind not in (Kind.ACTIVE, Kind.VIEW):
            raise InvalidArgument(f"snapshot {shorten(key)}: cannot create one of kind {kind.name.lower()}")
        info = Info(key, kind, parent, check_labels(labels))
        parent_ids = self._environment.read(
            lambda transaction: self._preconditions.check_create(
                transaction, self._table.number(transaction), info
            )
        )
        return Record(self._reserve_id(), info, parent_ids=parent_ids)

    def create(self, draft: Record) -> Steps[Record]:
        """Store a snapshot that `draft` returned.

        Raises:
            NotFound, InvalidArgument, AlreadyExists: As `draft`, if the keyspace has changed since.
            Aborted: The parent was removed and created again.
        """
        return ask(self._environment, lambda transaction: self._create(transaction, draft))

    def _create(self, transaction: Transaction, draft: Record) -> Record:
        number = self._table.number(transaction, create=True)
        info = draft.info
        if self._preconditions.check_create(transaction, number, info) != draft.parent_ids:
            raise Aborted(
                f"parent snapshot {shorten(info.parent)} was removed and made again while "
                f"{shorten(info.name)} was made on it: try again"
            )
        now = time.time_ns()
        info = Info(info.name, info.kind, info.parent, info.labels, created=now, updated=now)
        record = Record(draft.id, info, parent_ids=draft.parent_ids)
        self._table.put(transaction, number, record)
        return record

    def commit(
        self, name: str, active: Record, labels: Mapping[str, str], parent: str, usage: Usage
    ) -> Steps[Record]:
        """Turn an active snapshot into a committed one.

        Args:
            name: The name of the committed snapshot.
            active: The record that `check_commit` returned before the usage was measured.
            labels: The labels of the committed snapshot; none are inherited.
            parent: The snapshot's own parent, or ""; for a snapshot without a parent, the one to put it on.
            usage: The usage to store.

        Raises:
            AlreadyExists: The name is taken.
            NotFound: The active snapshot is gone, or the parent does not exist.
            FailedPrecondition: The snapshot is not active, or the parent is not committed.
            InvalidArgument: The snapshot has another parent; name or labels are malformed.
            DataLoss: A sync failed while the snapshot was active.
            Aborted: The parent was removed and made again since `check_commit`.
        """
        new_labels = check_labels(labels)
        return ask(
            self._environment,
            lambda transaction: self._commit(transaction, name, active, new_labels, parent, usage),
        )

    def check_commit(self, name: str, key: str, parent: str) -> Record:
        """Return the record of an active snapshot, with the parents that a commit gives it.

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
        active: Record,
        labels: Mapping[str, str],
        parent: str,
        usage: Usage,
    ) -> Record:
        self._failed_sync.store(transaction)
        number, key = self._table.number(transaction, create=True), active.info.name
        record = self._preconditions.check_commit(transaction, number, name, key, parent)
        if record.id != active.id:
            raise NotFound(f"snapshot {shorten(key)} was removed and made again while it was committed")
        if record.parent_ids != active.parent_ids:
            raise Aborted(
                f"{shorten(record.info.parent)} was removed and made again while snapshot {shorten(key)} was "
                "committed onto it"
            )
        now = _later_than(record.info)
        info = Info(name, Kind.COMMITTED, record.info.parent, labels, created=now, updated=now)
        committed = Record(record.id, info, usage, record.parent_ids)
        transaction.delete(layout.record_key(number, check_key(key)))
        self._table.put(transaction, number, committed)
        return committed

    def remove(self, key: str) -> Steps[Record]:
        """Delete the record of a snapshot and return it.

        Raises:
            NotFound: There is no such snapshot.
            HasChildren: It is the parent of others; the message names some.
        """
        data = check_key(key)
        return ask(self._environment, lambda transaction: self._remove(transaction, data))

    def _remove(self, transaction: Transaction, key: bytes) -> Record:
        number = self._table.number(transaction, create=True)
        record = self._table.get(transaction, number, key)
        self._preconditions.check_childless(transaction, number, record)
        self._table.delete(transaction, number, key, record)
        return record

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Steps[Record]:
        """Change the labels of a snapshot, as `Snapshotter.update` does.

        Raises:
            NotFound: There is no such snapshot.
            InvalidArgument: A field path names a field that cannot change; a label is malformed.
        """
        key = check_key(info.name)
        labels = check_labels(info.labels)
        return ask(self._environment, lambda transaction: self._update(transaction, key, labels, fieldpaths))

    def _update(
        self, transaction: Transaction, key: bytes, labels: Mapping[str, str], fieldpaths: tuple[str, ...]
    ) -> Record:
        number = self._table.number(transaction, create=True)
        record = self._table.get(transaction, number, key)
        new_labels = update_labels(record.info.labels, labels, fieldpaths, f"snapshot {shorten(record.info.name)}")
        info = attrs.evolve(record.info, labels=new_labels, updated=_later_than(record.info))
        updated = record._replace(info=info)
        checksum.put(transaction, layout.record_key(number, key), encode(updated))
        return updated

    def walk(self, *expressions: str) -> Iterator[Record]:
        """Yield the records that match any filter (all without filters), in byte order of their keys.

        The walk reads in batches; no transaction is open while the caller handles a record.

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised by the call, not by the iterator.
        """
        return map(decode, self.walk_data(*expressions))

    def walk_data(self, *expressions: str) -> Iterator[bytes]:
        """Yield the encoded records (see `info_message`) that `walk` would yield.

        Raises:
            FilterSyntaxError: As `walk`.
        """
        records = self._table.walk(self._environment)
        if not expressions:
            return records
        from lamina.filters import parse

        chosen = parse(*expressions)
        return (data for data in records if chosen.match(fields(decode(data).info)))


def _later_than(info: Info) -> int:
    """Return the time now, or just after the last update if the clock went back: the time identifies a state."""
    return max(time.time_ns(), info.updated + 1)
