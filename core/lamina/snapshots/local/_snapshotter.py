"""The snapshotter contract on a metastore, a data root and a backend."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import attrs

from lamina.context import current, use
from lamina.errdefs import Error, Unimplemented, translated
from lamina.metrics import Metric, MetricKind
from lamina.mount import Mount
from lamina.snapshots._contract import Info, Kind, Snapshotter, Usage
from lamina.snapshots._in_steps import InSteps
from lamina.snapshots._messages import InfoMessages
from lamina.snapshots.labels import check_labels
from lamina.snapshots.local._backend import Backend
from lamina.snapshots.local._data import SnapshotData
from lamina.snapshots.local._mounted import COMMITTED, REMOVED, MountedWarnings
from lamina.snapshots.local._removal import remove_record
from lamina.snapshots.local._root import DataRoot
from lamina.snapshots.local._tidying import Tidying
from lamina.snapshots.local._turns import Turns
from lamina.snapshots.storage import (
    Keyspace,
    Record,
    SnapshotterStore,
    id_in,
    info_message,
    shorten,
    with_labels,
)
from lamina.steps import BLOCKING, Steps, run

_log = logging.getLogger(__name__)


class LocalSnapshotter(Snapshotter, InfoMessages, InSteps):
    """A snapshotter whose data is in a directory of this machine.

    The order of work in each operation is what makes it safe against a crash: data is made before its record is
    stored and given up after its record is deleted, so that a record always has its data.
    """

    def __init__(
        self,
        backend: Backend,
        root: DataRoot,
        store: SnapshotterStore,
        keyspace: Keyspace,
        commits: Turns,
        mounted: MountedWarnings,
        *,
        sync_remove: bool,
    ) -> None:
        """Use `open`."""
        self._backend = backend
        self._root = root
        self._store = store
        self._keyspace = keyspace
        self._commits = commits
        self._mounted = mounted
        self._sync_remove = sync_remove
        self._data = SnapshotData(backend, root, store)

    @classmethod
    def open(
        cls, backend: Backend, store: SnapshotterStore, *, sync_fs: bool = True, sync_remove: bool = False
    ) -> LocalSnapshotter:
        """Open the snapshotter whose data is at `backend.root`, made where it does not exist.

        Interrupted calls of earlier processes are tidied up in the background. If the machine has booted since,
        directories that the crash lost are made again first.

        Args:
            backend: How its data is made and mounted. Closed with the snapshotter.
            store: Its part of the metastore; its name is the snapshotter's own keyspace.
            sync_fs: Whether `commit`, and `prepare` and `view` where they make more than names, return only when
                the file system has written everything. A commit of a snapshot in which nothing was written needs
                no sync: its data is made again where a crash loses it.
            sync_remove: Whether `remove` returns only when the data is deleted.

        Raises:
            LockHeld: Another process uses the data root.
            FailedPrecondition: The data root belongs to another metastore.
        """
        with translated(f"open data root {backend.root}"):
            root = DataRoot.open(backend.root, store, backend.destroy, sync_fs=sync_fs)
        snapshotter = cls(
            backend,
            root,
            store,
            store.keyspace(store.name),
            Turns(),
            MountedWarnings(root.path),
            sync_remove=sync_remove,
        )
        try:
            with translated(f"open data root {backend.root}"):
                backend.open()
            with translated(f"restore what a crash has lost of {backend.root}"):
                snapshotter._tidying().restore()
        except BaseException:
            root.close()
            raise
        root.start(snapshotter._tidying().tidy_up)
        return snapshotter

    def keyspace(self, name: str) -> LocalSnapshotter:
        """The same data root and backend with another space of keys."""
        return LocalSnapshotter(
            self._backend,
            self._root,
            self._store,
            self._store.keyspace(name),
            self._commits,
            self._mounted,
            sync_remove=self._sync_remove,
        )

    def stat(self, key: str) -> Info:
        """As `Snapshotter.stat`."""
        return self._shown(self._keyspace.get(key))

    def stat_message(self, key: str) -> bytes:
        """As `InfoMessages.stat_message`."""
        return self._shown_message(self._keyspace.get_data(key))

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        """As `Snapshotter.update`."""
        return run(self.update_steps(info, fieldpaths))

    def update_steps(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Steps[Info]:
        """As `InSteps.update_steps`."""
        record = yield from self._keyspace.update_steps(info, fieldpaths)
        self._root.records.write(record.id)
        return self._shown(record)

    def usage(self, key: str) -> Usage:
        """As `Snapshotter.usage`."""
        record = self._keyspace.get(key)
        if record.info.kind is not Kind.ACTIVE:
            return record.usage
        return self._data.usage(record)

    def mounts(self, key: str) -> list[Mount]:
        """As `Snapshotter.mounts`."""
        return self._data.mounts(self._keyspace.get_mountable(key))

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        """As `Snapshotter.prepare`."""
        return run(self.prepare_steps(key, parent, labels))

    def prepare_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        """As `InSteps.prepare_steps`."""
        return self._create(Kind.ACTIVE, key, parent, labels or {})

    def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        """As `Snapshotter.view`."""
        return run(self.view_steps(key, parent, labels))

    def view_steps(
        self, key: str, parent: str = "", labels: Mapping[str, str] | None = None
    ) -> Steps[list[Mount]]:
        """As `InSteps.view_steps`."""
        return self._create(Kind.VIEW, key, parent, labels or {})

    def _create(self, kind: Kind, key: str, parent: str, labels: Mapping[str, str]) -> Steps[list[Mount]]:
        if not self._root.claim.made:
            yield BLOCKING
            self._claim(f"make snapshot {shorten(key)}")
        draft = self._keyspace.draft(kind, key, parent, labels)
        if not self._backend.creates_quickly(draft) or self._data.syncs(draft):
            yield BLOCKING
        self._data.check_unused(draft)
        try:
            self._data.make(draft)
            mounts = self._data.mounts(draft)  # once it is stored, somebody may remove it
            record = yield from self._keyspace.create_steps(draft)
        except BaseException:
            # Interrupted between commit and return, the record is there; its data must stay as well.
            if self._store.record(draft.id) is None:
                self._data.discard(draft.id, unfinished=True)
            raise
        self._root.records.write(record.id)
        return mounts

    def _claim(self, asked: str) -> None:
        """Do what the start could not do, as the disk was full or read-only."""
        with translated(asked):
            self._root.claim.make()

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        """As `Snapshotter.commit`."""
        run(self.commit_steps(name, key, labels, parent))

    def commit_steps(
        self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = ""
    ) -> Steps[None]:
        """As `InSteps.commit_steps`."""
        new_labels = check_labels(labels or {})
        if not self._root.claim.made:
            yield BLOCKING
            self._claim(f"commit snapshot {shorten(key)}")
        turn = self._keyspace.name, key
        if self._commits.taken(turn):
            yield BLOCKING
        with self._commits.take(turn):
            draft = self._keyspace.check_commit(name, key, parent)
            if not self._backend.commits_quickly(draft):
                yield BLOCKING
            is_rebased = bool(parent) and not self._keyspace.get(key).info.parent
            if is_rebased and not self._backend.rebases:
                raise Unimplemented(
                    f"snapshot {key!r} has no parent, and this snapshotter cannot give it one at commit"
                )
            with translated(f"commit snapshot {key!r}"):
                usage = self._backend.finish(draft)
                if is_rebased:
                    self._backend.rebase(draft)
                self._backend.commit(draft)
                if self._root.syncs and (is_rebased or not self._data.is_as_created(draft, usage)):
                    yield BLOCKING
                    self._root.sync()
            record = yield from self._keyspace.commit_steps(name, draft, new_labels, parent, usage)
            with use(current().detached()):
                self._data.give_up_active(record)
        self._root.records.write(record.id)
        if not self._backend.freezes:
            self._mounted.check(record, COMMITTED)

    def remove(self, key: str) -> None:
        """As `Snapshotter.remove`."""
        run(self.remove_steps(key))

    def remove_steps(self, key: str) -> Steps[None]:
        """As `InSteps.remove_steps`."""
        if self._sync_remove:
            yield BLOCKING  # before the record is gone: what may block may be refused
        record = yield from remove_record(self._keyspace, key, self._root, self._store)
        self._data.discard(record.id)
        self._mounted.check(record, REMOVED)
        if self._sync_remove:
            try:
                self.cleanup()
            except (Error, OSError) as error:
                # The snapshot is gone for its users, as in containerd; what stays is deleted later.
                _log.warning("removed data is still there", exc_info=error)

    def walk(self, *filters: str) -> Iterator[Info]:
        """As `Snapshotter.walk`."""
        return map(self._shown, self._keyspace.walk(*filters))

    def walk_messages(self, *filters: str) -> Iterator[bytes]:
        """As `InfoMessages.walk_messages`."""
        return map(self._shown_message, self._keyspace.walk_data(*filters))

    def cleanup(self) -> None:
        """Delete now what removed snapshots have left behind.

        Raises:
            FailedPrecondition: Some of it cannot be deleted; the message says why.
        """
        with translated("delete what removed snapshots have left behind"):
            self._root.empty_trash()

    def metrics(self) -> Iterator[Metric]:
        """How much of what was removed waits for its deletion."""
        yield Metric(
            MetricKind.GAUGE,
            "lamina_trash_entries",
            "Removed snapshots whose data waits for its deletion.",
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
        return Tidying(self._backend, self._root, self._store, self._data)
