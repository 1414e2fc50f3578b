"""The snapshotter contract on a metastore, a data root and a backend."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping

import attrs

from lamina.context import KeyedLock, current, use
from lamina.errdefs import Error, Unimplemented, translated
from lamina.labels import check_labels
from lamina.metrics import Metric, MetricKind
from lamina.mount import Mount
from lamina.snapshots._contract import Info, Kind, Usage
from lamina.snapshots._in_steps import StepwiseSnapshotter
from lamina.snapshots._messages import InfoMessages
from lamina.snapshots._versioned import Versioned
from lamina.snapshots.local._backend import Backend
from lamina.snapshots.local._data import SnapshotData
from lamina.snapshots.local._mounted import COMMITTED, REMOVED, MountedWarnings
from lamina.snapshots.local._removal import remove_record
from lamina.snapshots.local._root import DataRoot
from lamina.snapshots.local._tidying import Tidying
from lamina.snapshots.storage import (
    Record,
    SnapshotterStore,
    id_in,
    info_message,
    shorten,
    with_labels,
)
from lamina.steps import BLOCKING, Steps

_log = logging.getLogger(__name__)


class LocalSnapshotter(StepwiseSnapshotter, InfoMessages, Versioned):
    """A snapshotter whose data is in a directory of this machine.

    Each operation makes data before it stores the record, and discards data after it has deleted the record, so
    that a record always has its data, even after a crash.
    """

    def __init__(self, backend: Backend, root: DataRoot, store: SnapshotterStore, *, sync_remove: bool) -> None:
        """Use `open`."""
        self._backend = backend
        self._root = root
        self._store = store
        self._keyspace = store.keyspace(store.name)
        self._commits = KeyedLock()
        self._mounted = MountedWarnings(root.path)
        self._sync_remove = sync_remove
        self._data = SnapshotData(backend, root, store)

    @classmethod
    def open(
        cls, backend: Backend, store: SnapshotterStore, *, sync_fs: bool = True, sync_remove: bool = False
    ) -> LocalSnapshotter:
        """Open the snapshotter whose data is at `backend.root`, which is created if it does not exist.

        A background thread tidies up after interrupted calls of earlier processes. If the machine has booted since
        the last start, directories lost in a crash are made again first.

        Args:
            backend: Makes and mounts the data. Closed with the snapshotter.
            store: Its part of the metastore, whose name is the name of the snapshotter's own keyspace.
            sync_fs: Sync the file system before `commit` returns, and before `prepare` and `view` return if they
                copy files. A commit of a snapshot in which nothing was written needs no sync: the next start
                makes its data again if a crash loses it.
            sync_remove: Delete the data before `remove` returns.

        Raises:
            LockHeld: Another process uses the data root.
            FailedPrecondition: The data root belongs to another metastore.
        """
        with translated(f"open data root {backend.root}"):
            root = DataRoot.open(backend.root, store, backend.destroy, sync_fs=sync_fs)
        snapshotter = cls(backend, root, store, sync_remove=sync_remove)
        try:
            with translated(f"open data root {backend.root}"):
                backend.open()
            with translated(f"restore directories that a crash lost in {backend.root}"):
                snapshotter._tidying().restore()
        except BaseException:
            root.close()
            raise
        root.start(snapshotter._tidying().tidy_up)
        return snapshotter

    def keyspace(self, name: str) -> LocalSnapshotter:
        """Return a snapshotter on the same data root and backend, with another keyspace."""
        other = copy.copy(self)
        other._keyspace = self._store.keyspace(name)  # noqa: SLF001 - of this class
        return other

    def stat(self, key: str) -> Info:
        """Implement `Snapshotter.stat`."""
        return self._shown(self._keyspace.get(key))

    def stat_message(self, key: str) -> bytes:
        """Implement `InfoMessages.stat_message`."""
        return self.versioned_stat_message(key)[0]

    def update_steps(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Steps[Info]:
        """Implement `InSteps.update_steps`."""
        record = yield from self._keyspace.update(info, fieldpaths)
        self._root.records.write(record.id)
        return self._shown(record)

    def usage(self, key: str) -> Usage:
        """Implement `Snapshotter.usage`."""
        record = self._keyspace.get(key)
        if record.info.kind is not Kind.ACTIVE:
            return record.usage
        return self._data.usage(record)

    def mounts(self, key: str) -> list[Mount]:
        """Implement `Snapshotter.mounts`."""
        return self.versioned_mounts(key)[0]

    def version(self) -> object:
        """Implement `Versioned.version`."""
        return self._keyspace.version()

    def versioned_stat_message(self, key: str) -> tuple[bytes, object]:
        """Implement `Versioned.versioned_stat_message`."""
        data, version = self._keyspace.get_data(key)
        return self._shown_message(data), version if self._backend.is_pure else None

    def versioned_mounts(self, key: str) -> tuple[list[Mount], object]:
        """Implement `Versioned.versioned_mounts`."""
        record, version = self._keyspace.get_mountable(key)
        lasts = self._backend.is_pure and not self._backend.mounts_vary(record)
        return self._data.mounts(record), version if lasts else None

    def prepare_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        """Implement `InSteps.prepare_steps`."""
        return self._create(Kind.ACTIVE, key, parent, labels or {})

    def view_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        """Implement `InSteps.view_steps`."""
        return self._create(Kind.VIEW, key, parent, labels or {})

    def _create(self, kind: Kind, key: str, parent: str, labels: Mapping[str, str]) -> Steps[list[Mount]]:
        if not self._root.claim.made:
            yield BLOCKING
            self._claim(f"make snapshot {shorten(key)}")
        draft = self._keyspace.draft(kind, key, parent, labels)
        if self._backend.create_blocks(draft) or self._data.syncs(draft):
            yield BLOCKING
        self._data.check_unused(draft)
        try:
            self._data.make(draft)
            mounts = self._data.mounts(draft)  # before `create`: once stored, another call may remove it
            record = yield from self._keyspace.create(draft)
        except BaseException:
            # If interrupted after the commit, the record exists, and its data must stay.
            if self._store.record(draft.id) is None:
                self._root.discard(draft.id, unfinished=True)
            raise
        self._root.records.write(record.id)
        return mounts

    def _claim(self, operation: str) -> None:
        """Claim the data root, if the disk was full or read-only before, or nothing else has claimed it yet."""
        with translated(operation):
            self._root.claim.make()

    def commit_steps(
        self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = ""
    ) -> Steps[None]:
        """Implement `InSteps.commit_steps`."""
        new_labels = check_labels(labels or {})
        if not self._root.claim.made:
            yield BLOCKING
            self._claim(f"commit snapshot {shorten(key)}")
        active = self._keyspace.name, key
        if self._commits.is_held(active):
            yield BLOCKING
        with self._commits.hold(active):
            record = self._keyspace.check_commit(name, key, parent)
            is_rebased = bool(parent) and not self._keyspace.get(key).info.parent
            if is_rebased and not self._backend.rebases:
                raise Unimplemented(
                    f"snapshot {shorten(key)} has no parent, and this snapshotter cannot give it one at commit"
                )
            with translated(f"commit snapshot {shorten(key)}"):
                usage = self._backend.finish_quickly(record)
                if usage is None:
                    yield BLOCKING
                    usage = self._backend.finish(record)
                if not isinstance(usage, Usage):
                    raise TypeError(f"{type(self._backend).__name__} measured {usage!r}, which is not a Usage")
                if is_rebased:
                    self._backend.rebase(record)
                self._backend.commit(record)
                if self._root.syncs and (is_rebased or not self._data.is_as_created(record, usage)):
                    yield BLOCKING
                    self._root.sync()
            record = yield from self._keyspace.commit(name, record, new_labels, parent, usage)
            with use(current().detached()):
                self._data.give_up_active(record)
        self._root.records.write(record.id)
        if not self._backend.freezes:
            self._mounted.check(record, COMMITTED)

    def remove_steps(self, key: str) -> Steps[None]:
        """Implement `InSteps.remove_steps`."""
        if self._sync_remove:
            yield BLOCKING  # before the record is gone: a call that may block may be refused
        record = yield from remove_record(self._keyspace, key, self._root, self._store)
        self._root.discard(record.id)
        self._mounted.check(record, REMOVED)
        if self._sync_remove:
            try:
                self.cleanup()
            except (Error, OSError) as error:
                # As in containerd, the snapshot is gone for its users; the data is deleted later.
                _log.warning("could not delete removed data yet", exc_info=error)

    def walk(self, *filters: str) -> Iterator[Info]:
        """Implement `Snapshotter.walk`."""
        return map(self._shown, self._keyspace.walk(*filters))

    def walk_messages(self, *filters: str) -> Iterator[bytes]:
        """Implement `InfoMessages.walk_messages`."""
        return map(self._shown_message, self._keyspace.walk_data(*filters))

    def cleanup(self) -> None:
        """Delete the data of removed snapshots now.

        Raises:
            FailedPrecondition: Some data cannot be deleted; the message says why.
        """
        with translated("delete the data of removed snapshots"):
            self._root.empty_trash()

    def metrics(self) -> Iterator[Metric]:
        """Yield the number of removed snapshots whose data is not yet deleted."""
        yield Metric(
            MetricKind.GAUGE,
            "lamina_trash_entries",
            "Removed snapshots whose data is not yet deleted.",
            {(self._store.name,): self._root.trash_entries()},
            ("snapshotter",),
        )

    def close(self) -> None:
        """Close the snapshotter in all its keyspaces. The metastore stays open."""
        self._mounted.close()
        self._root.close()
        self._backend.close()

    def _shown(self, record: Record) -> Info:
        extra = self._backend.labels(record.id)
        return attrs.evolve(record.info, labels={**record.info.labels, **extra}) if extra else record.info

    def _shown_message(self, data: bytes) -> bytes:
        message = info_message(data)
        extra = self._backend.labels(id_in(data))
        return with_labels(message, extra) if extra else message

    def _tidying(self) -> Tidying:
        return Tidying(self._backend, self._root, self._store, self._data, self._commits)
