"""The directory in which a local snapshotter keeps its data."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable

from lamina.errdefs import FailedPrecondition
from lamina.fs import FileSystemSync, Lock, sync_directory
from lamina.snapshots.local._rescue import UNFINISHED, RescueRecords
from lamina.snapshots.local._trash import Trash
from lamina.snapshots.storage import SnapshotterStore

_log = logging.getLogger(__name__)

SNAPSHOTS = "snapshots"
RECORDS = "records"
TRASH = "trash"


class DataRoot:
    """A locked directory that belongs to one metastore, in which each snapshot's data is named by its identifier.

    ================  ==========================================================================
    ``lamina.lock``   held by the process that uses the directory; its pid is in it
    ``uuid``          the UUID of the metastore that the data belongs to
    ``snapshots/``    one entry for each identifier
    ``records/``      what is needed to make the metastore anew, one file for each identifier
    ``trash/``        what has been removed and is being deleted
    ================  ==========================================================================
    """

    def __init__(
        self, path: str, store: SnapshotterStore, lock: Lock, trash: Trash, sync: FileSystemSync | None
    ) -> None:
        """Use `open`."""
        self.path = path
        self.records = RescueRecords(os.path.join(path, RECORDS), store)
        self._store = store
        self._lock = lock
        self._trash = trash
        self._sync = sync

    @classmethod
    def open(
        cls, path: str, store: SnapshotterStore, destroy: Callable[[str], None], *, sync_fs: bool
    ) -> DataRoot:
        """Open a data root, made (0700) where it does not exist.

        Args:
            path: Its absolute path.
            store: Whose data it holds.
            destroy: Deletes the data of one removed snapshot, given its path in the trash.
            sync_fs: Whether `sync` does anything.

        Raises:
            LockHeld: Another process uses it.
            FailedPrecondition: It holds data that belongs to another metastore. Nothing in it is touched.
        """
        os.makedirs(path, mode=0o700, exist_ok=True)
        with contextlib.ExitStack() as undo:
            lock = Lock.acquire(os.path.join(path, "lamina.lock"))
            undo.callback(lock.close)
            _check_owner(path, store)
            for name in (SNAPSHOTS, RECORDS, TRASH):
                os.makedirs(os.path.join(path, name), mode=0o700, exist_ok=True)
            trash = Trash(os.path.join(path, TRASH), destroy)
            root = cls(path, store, lock, trash, FileSystemSync(path) if sync_fs else None)
            undo.pop_all()
            return root

    def start(self, first: Callable[[], None]) -> None:
        """Start deleting what is discarded, in the background.

        Args:
            first: What the background thread does before.
        """
        self._trash.start(first)

    def sync(self) -> None:
        """Wait until all that was written before is on disk, if that is wanted of this root."""
        if self._sync is not None:
            self._sync.sync()

    def discard(self, id_: int) -> None:
        """Give up the data of a snapshot that the metastore does not know, or not any more."""
        self.records.write(id_)
        self._trash.put(os.path.join(self.path, SNAPSHOTS, str(id_)))

    def reclaim(self) -> int:
        """Discard what calls of earlier processes left behind: data of identifiers that no snapshot has.

        Data of identifiers handed out by this process is never touched: its calls may be under way. A store
        without any snapshot reclaims nothing: it may have lost them.

        Returns:
            How many were discarded.
        """
        names = os.listdir(os.path.join(self.path, SNAPSHOTS)) + os.listdir(os.path.join(self.path, RECORDS))
        found = {int(stem) for name in names if (stem := name.removesuffix(UNFINISHED)).isdecimal()}
        live = set(self._store.ids())
        leftovers = {id_ for id_ in found - live if id_ < self._store.first_id}
        if leftovers and not live:
            _log.warning(
                "the metastore knows no snapshot at all: leaving what it does not know alone",
                extra={"path": self.path, "entries": len(leftovers)},
            )
            return 0
        for id_ in sorted(leftovers):
            self.discard(id_)
        return len(leftovers)

    def empty_trash(self) -> None:
        """Delete all that has been discarded, and return when it is gone."""
        self._trash.empty()

    def close(self) -> None:
        """Stop deleting and give up the lock. Closing twice does nothing."""
        self._trash.close()
        if self._sync is not None:
            self._sync.close()
        self._lock.close()


def _check_owner(path: str, store: SnapshotterStore) -> None:
    """Check that data below `path`, if there is any, belongs to `store`; claim it where there is none."""
    uuid_path = os.path.join(path, "uuid")
    snapshots = os.path.join(path, SNAPSHOTS)
    try:
        with open(uuid_path, encoding="ascii") as file:
            owner = file.read().strip()
    except FileNotFoundError:
        owner = ""
    if owner == store.uuid:
        return
    if os.path.isdir(snapshots) and os.listdir(snapshots):
        whose = f"metastore {owner}" if owner else "no metastore that left its mark"
        raise FailedPrecondition(
            f"data root {path} holds snapshots of {whose}, and the metastore in use is {store.uuid}, which does "
            "not know them. Nothing there was touched. If the metastore's file was lost, restore it from a "
            "backup; to begin anew, move the data root away or set root_path to an empty directory"
        )
    with open(uuid_path + ".new", "w", encoding="ascii") as file:
        file.write(store.uuid + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(uuid_path + ".new", uuid_path)
    sync_directory(path)
