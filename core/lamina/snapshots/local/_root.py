"""The directory in which a local snapshotter keeps its data."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator

from lamina.errdefs import DataLoss, FailedPrecondition, ResourceExhausted
from lamina.fs import FileSystemSync, Lock, replace_file
from lamina.snapshots.local._quarantine import Quarantine
from lamina.snapshots.local._recovery import UNFINISHED, RecoveryRecords
from lamina.snapshots.local._trash import NO_SPACE, Trash
from lamina.snapshots.local._unhurried import unhurried
from lamina.snapshots.storage import SnapshotterStore

_log = logging.getLogger(__name__)

SNAPSHOTS = "snapshots"
RECORDS = "records"
TRASH = "trash"
QUARANTINE = "quarantine"


class DataRoot:
    """A locked directory that belongs to one metastore, in which each snapshot's data is named by its identifier.

    ================  ==========================================================================
    ``lamina.lock``   held by the process that uses the directory; its pid is in it
    ``uuid``          the UUID of the metastore that the data belongs to, and how often it was opened with it
    ``snapshots/``    one entry for each identifier
    ``records/``      what is needed to make the metastore anew, one file for each identifier
    ``trash/``        what has been removed and is being deleted
    ``quarantine/``   what no snapshot had at a start, kept for a week (`Quarantine`)
    ================  ==========================================================================
    """

    def __init__(
        self, path: str, store: SnapshotterStore, lock: Lock, trash: Trash, sync: FileSystemSync | None
    ) -> None:
        """Use `open`."""
        self.path = path
        self.records = RecoveryRecords(os.path.join(path, RECORDS), store)
        self._store = store
        self._lock = lock
        self._trash = trash
        self._quarantine = Quarantine(os.path.join(path, QUARANTINE), trash)
        self._sync = sync
        self.agrees = False
        """Whether the metastore was found to agree with itself. Nothing in quarantine is deleted before."""

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
            FailedPrecondition: It holds data that belongs to another metastore, or to a later state of this one;
                or it has a part on another file system. Nothing in it is touched.
        """
        os.makedirs(path, mode=0o700, exist_ok=True)
        with contextlib.ExitStack() as undo:
            lock = Lock.acquire(os.path.join(path, "lamina.lock"))
            undo.callback(lock.close)
            _claim(path, store)
            for name in (SNAPSHOTS, RECORDS, TRASH):
                os.makedirs(os.path.join(path, name), mode=0o700, exist_ok=True)
            _check_one_file_system(path)
            trash = Trash(os.path.join(path, TRASH), destroy)
            sync = FileSystemSync(path, on_failure=store.sync_failed) if sync_fs else None
            root = cls(path, store, lock, trash, sync)
            undo.pop_all()
            return root

    def start(self, first: Callable[[], None]) -> None:
        """Start deleting what is discarded, in the background.

        Args:
            first: What the background thread does before.
        """
        self._trash.start(first)
        self.records.start()
        self._store.failed_sync.start()

    @property
    def syncs(self) -> bool:
        """Whether `sync` has anything to do."""
        return self._sync is not None

    def sync(self) -> None:
        """Wait until all that was written before is on disk, if that is wanted of this root."""
        if self._sync is not None:
            self._sync.sync()

    @contextlib.contextmanager
    def synced(self) -> Iterator[None]:
        """A block all of whose writes are on disk at its end, if that is wanted of this root.

        Raises:
            DataLoss: A sync failed meanwhile, be it another caller's.
        """
        failures = self._sync.failures if self._sync is not None else 0
        yield
        self.sync()
        if self._sync is not None and self._sync.failures != failures:
            raise DataLoss(f"sync {self.path}: a sync failed while data was made, which may be lost: try again")

    def check_unused(self, id_: int) -> None:
        """Check that there is no data of a new identifier, before anything is made, or given up, in its name.

        Raises:
            FailedPrecondition: There is.
        """
        path = self.data_path(id_)
        if os.path.lexists(path):
            raise FailedPrecondition(
                f"there is data at {path}, though nothing was ever made there: was the metastore replaced? "
                "Nothing there was touched. Restore it and the data root from the same backup"
            )

    def make(self, id_: int, create: Callable[[str], None]) -> None:
        """Make the data of an identifier: whole, or not at all, whatever crashes.

        File systems keep the order in which names change, so the last name is there only with all that is below.

        Args:
            id_: The identifier, of which there is no data.
            create: Makes the data at the path that it is given, where nothing is, or makes nothing at all.
        """
        path = self.data_path(id_)
        try:
            create(path + UNFINISHED)
        except (OSError, ResourceExhausted) as error:
            if not _is_no_space(error) or not self.free_space():
                raise
            self.discard_unfinished(id_)
            create(path + UNFINISHED)
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + UNFINISHED, path)

    def data_path(self, id_: int) -> str:
        """Where the data of an identifier is."""
        return os.path.join(self.path, SNAPSHOTS, str(id_))

    def discard(self, id_: int) -> None:
        """Give up the data of a snapshot that was removed, or never stored, by this process."""
        try:
            self._trash.put(self.data_path(id_))
        finally:
            self.records.remove(id_)  # the snapshot is gone, also where its data cannot be moved

    def discard_unfinished(self, id_: int) -> None:
        """Give up what was made of the data of a snapshot, and not moved to where the whole is."""
        self._trash.put(self.data_path(id_) + UNFINISHED)

    def reclaim(self) -> int:
        """Put into quarantine what earlier processes left behind: data of identifiers that no snapshot has.

        Data of identifiers handed out by this process is never touched: its calls may be under way. Nothing is
        touched while the metastore's entries disagree, or where it knows no snapshot of an earlier process: it may
        have lost them.

        Returns:
            How many identifiers were put there. What cannot be is logged.

        Raises:
            Canceled: It is not wanted any more.
        """
        found = self._ids_in(SNAPSHOTS) | self._ids_in(RECORDS)
        try:
            known = set(unhurried(self._store.named_ids()))
        except DataLoss as error:
            _log.error("nothing is reclaimed: the metastore is damaged", exc_info=error, extra={"path": self.path})
            return 0
        first_id = self._store.first_id
        leftovers = {id_ for id_ in found - known if id_ < first_id}
        if leftovers and not any(id_ < first_id for id_ in known):
            _log.warning(
                "the metastore knows no snapshot of before: leaving what it does not know alone",
                extra={"path": self.path, "entries": len(leftovers)},
            )
            return 0
        self.agrees = True
        self._expire()
        return sum(self._reclaim_one(id_) for id_ in sorted(leftovers))

    def _expire(self) -> None:
        if self.agrees:
            self._quarantine.expire()

    def _ids_in(self, name: str) -> set[int]:
        """The identifiers of which there is something in a directory."""
        with os.scandir(os.path.join(self.path, name)) as entries:
            stems = (entry.name.removesuffix(UNFINISHED) for entry in unhurried(entries))
            return {int(stem) for stem in stems if stem.isdecimal()}

    def _reclaim_one(self, id_: int) -> bool:
        try:
            self.discard_unfinished(id_)
            self.records.drop_unfinished(id_)
            self._quarantine.put(id_, self.data_path(id_), self.records.path(id_))
        except OSError as error:
            _log.warning(
                "could not reclaim what an interrupted call left behind", exc_info=error, extra={"id": id_}
            )
            return False
        return True

    def empty_trash(self) -> None:
        """Delete all that has been discarded, with what was written down of it, and return when it is gone.

        What is in quarantine goes when it has been there long enough (`Quarantine.expire`).
        """
        self._expire()
        self._trash.empty()
        self.records.flush()

    def free_space(self) -> bool:
        """Give back what can be spared of a full disk: what is in quarantine (`Quarantine.give_up`).

        Returns:
            Whether there was something, so that it is worthwhile to try again.
        """
        return self.agrees and bool(self._quarantine.give_up())

    def trash_entries(self) -> int:
        """How much of what has been discarded is still there.

        Raises:
            OSError: That cannot be seen.
        """
        return len(os.listdir(os.path.join(self.path, TRASH)))

    def close(self) -> None:
        """Stop deleting and give up the lock. Closing twice does nothing."""
        self._trash.close()
        self.records.close()
        if self._sync is not None:
            self._sync.close()
        self._store.failed_sync.close()
        self._lock.close()


def _is_no_space(error: OSError | ResourceExhausted) -> bool:
    return isinstance(error, ResourceExhausted) or error.errno in NO_SPACE


def _claim(path: str, store: SnapshotterStore) -> None:
    """Check that the data below `path`, if there is any, is the store's and no newer, and put its name there."""
    uuid_path = os.path.join(path, "uuid")
    owner, generation = _owner(uuid_path)
    snapshots = os.path.join(path, SNAPSHOTS)
    if owner != store.uuid and os.path.isdir(snapshots) and os.listdir(snapshots):
        whose = f"metastore {owner}" if owner else "no metastore that left its mark"
        raise FailedPrecondition(
            f"data root {path} holds snapshots of {whose}, and the metastore in use is {store.uuid}, which does "
            "not know them. Nothing there was touched. If the metastore's file was lost, restore it and the data "
            "root from the same backup; to begin anew, move the data root away or set root_path to an empty "
            "directory"
        )
    if owner == store.uuid and generation >= store.generation:
        raise FailedPrecondition(
            f"data root {path} is newer than the metastore, which was opened {store.generation} times, and the "
            f"data root {generation} times: was the metastore restored from a backup? It does not know what has "
            "been made since. Nothing there was touched. Restore both from the same backup"
        )
    replace_file(uuid_path, f"{store.uuid} {store.generation}\n".encode())


def _owner(uuid_path: str) -> tuple[str, int]:
    """The metastore that the data belongs to, and how often it was opened with it; "" where it has no owner."""
    try:
        with open(uuid_path, encoding="ascii", errors="replace") as file:
            owner, _, generation = file.read().strip().partition(" ")
    except FileNotFoundError:
        return "", 0
    return owner, int(generation) if generation.isdecimal() else 0


def _check_one_file_system(path: str) -> None:
    """Check that data can be renamed into the trash, and is synced with the root."""
    device = os.stat(path).st_dev
    for name in (SNAPSHOTS, RECORDS, TRASH):
        if os.stat(os.path.join(path, name)).st_dev != device:
            raise FailedPrecondition(
                f"{os.path.join(path, name)} is on another file system than {path}: mount that one on the data "
                "root itself, or set root_path"
            )
