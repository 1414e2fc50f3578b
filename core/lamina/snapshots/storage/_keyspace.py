"""The operations of the snapshotter contract on the records of one keyspace."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from lamina.context import current
from lamina.errdefs import Aborted, AlreadyExists, FailedPrecondition, HasChildren, InvalidArgument, NotFound
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots.labels import check_labels
from lamina.snapshots.storage import _checksum as checksum
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._batch import batch
from lamina.snapshots.storage._entries import ascending
from lamina.snapshots.storage._environment import Environment, Transaction
from lamina.snapshots.storage._layout import check_key, shorten
from lamina.snapshots.storage._record import Record, decode, encode
from lamina.steps import Steps, ask, run

if TYPE_CHECKING:
    from lamina.filters import Filter
    from lamina.snapshots.storage._snapshotter_store import SnapshotterStore

NAMED_CHILDREN: Final = 3
"""How many children an error names."""


class Keyspace:
    """The snapshots of one snapshotter under one name. Every method may be called from any thread.

    The order of the checks in each operation is containerd's, so that of two errors the same one is met.
    """

    def __init__(self, environment: Environment, store: SnapshotterStore, name: str) -> None:
        """Use `SnapshotterStore.keyspace`."""
        self._environment = environment
        self._store = store
        self.name = name
        self._remembered: bytes | None = None

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
            lambda transaction: self._get_data(transaction, self._number(transaction), name)
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
            lambda transaction: self._check_create(transaction, self._number(transaction), draft)
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
        space = self._make_space(transaction)
        if self._check_create(transaction, space, draft) != draft.parent_ids:
            raise Aborted(
                f"parent snapshot {shorten(draft.info.parent)} was removed and made again while "
                f"{shorten(draft.info.name)} was made on it: try again"
            )
        now = time.time_ns()
        info = attrs.evolve(draft.info, created=now, updated=now)
        record = attrs.evolve(draft, info=info)
        self._put(transaction, space, record)
        return record

    def _check_create(self, transaction: Transaction, space: bytes | None, draft: Record) -> tuple[int, ...]:
        """Check that a snapshot can be created, and return the identifiers of its parents."""
        key = check_key(draft.info.name)
        parent_ids: tuple[int, ...] = ()
        if draft.info.parent:
            parent_ids = self._parent_ids(transaction, space, draft.info.parent, InvalidArgument)
        self._check_free(transaction, space, key)
        return parent_ids

    def _parent_ids(
        self,
        transaction: Transaction,
        space: bytes | None,
        parent: str,
        uncommitted: type[InvalidArgument | FailedPrecondition],
    ) -> tuple[int, ...]:
        try:
            record = self._get(transaction, space, check_key(parent))
        except NotFound:
            raise NotFound(f"parent snapshot {shorten(parent)} does not exist") from None
        if record.info.kind is not Kind.COMMITTED:
            kind = _described(record.info.kind)
            raise uncommitted(
                f"parent snapshot {shorten(parent)} is {kind}: only a committed snapshot can be a parent"
            )
        return (record.id, *record.parent_ids)

    def _check_free(self, transaction: Transaction, space: bytes | None, key: bytes) -> None:
        data = space and checksum.get(transaction, layout.record_key(space, key))
        if data:
            info = decode(data).info
            kind = info.kind.name.lower()
            article = "an" if info.kind is Kind.ACTIVE else "a"
            raise AlreadyExists(f"snapshot {shorten(info.name)} already exists as {article} {kind} snapshot")

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
            lambda transaction: self._check_commit(transaction, self._number(transaction), name, key, parent)
        )

    def _check_commit(
        self, transaction: Transaction, space: bytes | None, name: str, key: str, parent: str
    ) -> Record:
        """Check that a snapshot can be committed, and return it with the parents that it will have."""
        self._check_free(transaction, space, check_key(name))
        record = self._get(transaction, space, check_key(key))
        info = record.info
        if info.kind is not Kind.ACTIVE:
            kind = _described(info.kind)
            raise FailedPrecondition(
                f"snapshot {shorten(key)} is {kind}: only an active snapshot can be committed"
            )
        self._store.failed_sync.check(transaction, record)
        if not parent or parent == info.parent:
            return record
        if info.parent:
            raise InvalidArgument(
                f"snapshot {shorten(key)} has the parent {shorten(info.parent)} and cannot be put on "
                f"{shorten(parent)}: only a snapshot without a parent can be given one at commit"
            )
        parent_ids = self._parent_ids(transaction, space, parent, FailedPrecondition)
        return attrs.evolve(record, info=attrs.evolve(info, parent=parent), parent_ids=parent_ids)

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
        space, key = self._make_space(transaction), draft.info.name
        record = self._check_commit(transaction, space, name, key, parent)
        if record.id != draft.id:
            raise NotFound(f"snapshot {shorten(key)} was removed and made again while it was committed")
        now = _later_than(record.info)
        info = Info(name, Kind.COMMITTED, record.info.parent, labels, created=now, updated=now)
        committed = attrs.evolve(record, info=info, usage=usage)
        transaction.delete(layout.record_key(space, check_key(key)))
        self._put(transaction, space, committed)
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
        space = self._space_of(transaction, key)
        record = self._get(transaction, space, key)
        self._check_childless(transaction, space, record)
        transaction.delete(layout.record_key(space, key))
        transaction.delete(layout.id_key(self._store.number, record.id))
        if record.parent_ids:
            transaction.delete(layout.child_key(space, record.parent_ids[0], record.id))
        return record

    def _check_childless(self, transaction: Transaction, space: bytes, record: Record) -> None:
        entries = ascending(transaction, layout.children_prefix(space, record.id))
        children = [shorten(child.decode()) for _, child in itertools.islice(entries, NAMED_CHILDREN + 1)]
        if children:
            more = " and others" if len(children) > NAMED_CHILDREN else ""
            raise HasChildren(
                f"cannot remove snapshot with child: {shorten(record.info.name)} is the parent of "
                f"{', '.join(children[:NAMED_CHILDREN])}{more}"
            )

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
        space = self._space_of(transaction, key)
        record = self._get(transaction, space, key)
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
        chosen = _filter(expressions)
        return (record for record in map(decode, self._values()) if chosen.match(_fields(record.info)))

    def walk_data(self, *expressions: str) -> Iterator[bytes]:
        """As `walk`, the records' bytes (`info_message`).

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised at once, not at the first record.
        """
        if not expressions:
            return self._values()
        chosen = _filter(expressions)
        return (data for data in self._values() if chosen.match(_fields(decode(data).info)))

    def _values(self) -> Iterator[bytes]:
        start: bytes | None = None
        while True:
            current().check()
            values, start = self._environment.read(functools.partial(self._batch, start=start))
            yield from values
            if start is None:
                return

    def _batch(self, transaction: Transaction, start: bytes | None) -> tuple[list[bytes], bytes | None]:
        space = self._number(transaction)
        return ([], None) if space is None else batch(transaction, b"k" + space, start)

    def _get(self, transaction: Transaction, space: bytes | None, key: bytes) -> Record:
        return decode(self._get_data(transaction, space, key))

    def _get_data(self, transaction: Transaction, space: bytes | None, key: bytes) -> bytes:
        data = space and checksum.get(transaction, layout.record_key(space, key))
        if not data:
            raise _missing(key)
        return data

    def _put(self, transaction: Transaction, space: bytes, record: Record) -> None:
        """Store a record and the two keys that lead to it, from its parent and from its identifier."""
        name = record.info.name.encode()
        key = layout.record_key(space, name)
        checksum.put(transaction, key, encode(record))
        checksum.put(transaction, layout.id_key(self._store.number, record.id), key)
        if record.parent_ids:
            checksum.put(transaction, layout.child_key(space, record.parent_ids[0], record.id), name)

    def _number(self, transaction: Transaction) -> bytes | None:
        """As `_find_space`, for read transactions: what they see is there for good, so it is remembered."""
        if self._remembered is None:
            self._remembered = self._find_space(transaction)
        return self._remembered

    def _find_space(self, transaction: Transaction) -> bytes | None:
        """The keyspace's number; None until its first snapshot is created.

        Not remembered where it is read in a write transaction: it may be undone with it.
        """
        return self._remembered or checksum.get(transaction, layout.space_key(self._store.name, self.name))

    def _space_of(self, transaction: Transaction, key: bytes) -> bytes:
        """The number of the keyspace that a snapshot is in."""
        space = self._find_space(transaction)
        if space is None:
            raise _missing(key)
        return space

    def _make_space(self, transaction: Transaction) -> bytes:
        space = self._find_space(transaction)
        if space is None:
            space = layout.NUMBER.pack(next_number(transaction))
            checksum.put(transaction, layout.space_key(self._store.name, self.name), space)
        return space


def next_number(transaction: Transaction) -> int:
    """A number that no snapshotter or keyspace of the store has yet."""
    number = int(checksum.get(transaction, layout.COUNTER) or b"0") + 1
    checksum.put(transaction, layout.COUNTER, str(number).encode())
    return number


def _later_than(info: Info) -> int:
    """Now, or as good as now if the clock was set back: so a state of a record is known by its time."""
    return max(time.time_ns(), info.updated + 1)


def _described(kind: Kind) -> str:
    return {Kind.ACTIVE: "active", Kind.VIEW: "a view", Kind.COMMITTED: "committed"}[kind]


def _missing(key: bytes) -> NotFound:
    return NotFound(f"snapshot {shorten(key.decode())} does not exist")


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


def _filter(expressions: Sequence[str]) -> Filter:
    from lamina.filters import parse  # noqa: PLC0415 - five modules that no start needs

    return parse(*expressions)


def _fields(info: Info) -> Callable[[tuple[str, ...]], str | None]:
    """The fields by which filters choose snapshots: name, parent, kind and labels."""

    def field(path: tuple[str, ...]) -> str | None:
        match path:
            case ("name",):
                return info.name
            case ("parent",):
                return info.parent
            case ("kind",):
                return info.kind.name.lower()
            case ("labels", *rest):
                return info.labels.get(".".join(rest))
        return None

    return field
