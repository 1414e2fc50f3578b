"""The data root, in which a local snapshotter keeps its data."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from lamina.errdefs import DataLoss, FailedPrecondition, ResourceExhausted
from lamina.fs import FileSystemSync, Lock, SecureDirectory, remove_default_acl
from lamina.places import LOCK
from lamina.snapshots.local._claim import Claim
from lamina.snapshots.local._opening import SNAPSHOTS, open_data_root
from lamina.snapshots.local._progress import Progress
from lamina.snapshots.local._quarantine import QUARANTINE, Quarantine
from lamina.snapshots.local._recovery import UNFINISHED, RecoveryRecords
from lamina.snapshots.local._throttled import throttled
from lamina.snapshots.local._trash import Trash, is_no_space
from lamina.snapshots.storage import SnapshotterStore

_log = logging.getLogger(__name__)

RECORDS = "records"
TRASH = "trash"
MADE = (SNAPSHOTS, RECORDS, TRASH)
PARTS = (*MADE, QUARANTINE)


class DataRoot:
    """A locked directory that belongs to one metastore, in which each snapshot's data is named by its identifier.

    ================  ==========================================================================
    ``lamina.lock``   held by the process that uses the directory; its pid is in it
    ``uuid``          the UUID of the metastore that the data belongs to, and the count of its openings (`Claim`)
    ``transaction``   the last transaction of the metastore that is known here (`Progress`)
    ``failed-sync``   the highest identifier that a failed sync may have damaged, 0: none has failed (`FailedSync`)
    ``snapshots/``    one entry for each identifier
    ``records/``      recovery records, from which a metastore can be rebuilt, one file for each identifier
    ``trash/``        removed data that is being deleted
    ``quarantine/``   data that had no snapshot at a start, kept for a week (`Quarantine`)
    ================  ==========================================================================
    """

    def __init__(
        self,
        directory: SecureDirectory,
        parts: Mapping[str, SecureDirectory],
        store: SnapshotterStore,
        claim: Claim,
        trash: Trash,
        sync: FileSystemSync | None,
        opened: contextlib.ExitStack,
    ) -> None:
        """Use `open`."""
        self.path = directory.path
        self.records = RecoveryRecords(parts[RECORDS], store, Progress(directory, store))
        self._snapshots = parts[SNAPSHOTS]
        self._parts = parts
        self._store = store
        self.claim = claim
        self._trash = trash
        self._quarantine = Quarantine(directory, trash)
        self._sync = sync
        self.agrees = False
        """True if the metastore was found consistent. Until then nothing in quarantine is deleted."""
        self._opened = opened

    @classmethod
    def open(
        cls, path: str, store: SnapshotterStore, destroy: Callable[[str], None], *, sync_fs: bool
    ) -> DataRoot:
        """Open a data root, made (0700) where it does not exist.

        Args:
            path: Its absolute path.
            store: The store whose data it holds.
            destroy: Deletes the data of one removed snapshot, given its path in the trash.
            sync_fs: Make `sync` sync the file system; otherwise it does nothing.

        Raises:
            LockHeld: Another process uses it.
            PermissionDenied: Another user could, or once could, plant files in it.
            FailedPrecondition: It holds data of another metastore or snapshotter, or of a later state of this one;
                or one of its directories is a link or on another file system. Nothing in it was touched.
            Unavailable: It is missing or empty, although the store has snapshots (`open_data_root`).
            OSError, ResourceExhausted, ReadOnly: It is new, and cannot be written to.
        """
        with contextlib.ExitStack() as undo:
            directory = undo.enter_context(open_data_root(path, store.uuid, store.name, store.has_snapshots))
            undo.enter_context(Lock.acquire(directory.path_of(LOCK), dir_fd=directory.fd))
            found = _open_parts(directory, undo, PARTS)
            claim = Claim(directory, store, found.get(SNAPSHOTS), found.get(RECORDS))
            parts = found | _open_parts(directory, undo, set(MADE) - set(found), create_mode=0o700)
            _check_one_file_system(directory, parts)
            remove_default_acl(parts[SNAPSHOTS].fd)  # the roots of snapshots would inherit it
            if not claim.is_known:
                claim.make()
            trash = Trash(parts[TRASH], destroy)
            sync = FileSystemSync(path, on_failure=store.sync_failed) if sync_fs else None
            return cls(directory, parts, store, claim, trash, sync, undo.pop_all())

    def start(self, first: Callable[[], None]) -> None:
        """Start deleting discarded data in the background.

        Args:
            first: Called by the background thread before it deletes anything.
        """
        self._trash.start(first)
        self.records.start()
        self._store.failed_sync.start()

    @property
    def syncs(self) -> bool:
        """True if `sync` syncs the file system."""
        return self._sync is not None

    def sync(self) -> None:
        """Wait until everything written before is on disk, if this root syncs."""
        if self._sync is not None:
            self._sync.sync()

    @contextlib.contextmanager
    def synced(self) -> Iterator[None]:
        """Sync all writes of the block at its end, if this root syncs.

        Raises:
            DataLoss: A sync failed during the block, perhaps another caller's.
        """
        failures = self._sync.failures if self._sync is not None else 0
        yield
        self.sync()
        if self._sync is not None and self._sync.failures != failures:
            raise DataLoss(f"sync {self.path}: a sync failed while data was made, which may be lost: try again")

    def check_unused(self, id_: int) -> None:
        """Check that a new identifier has no data, before any is made or discarded in its name.

        Raises:
            FailedPrecondition: It has.
        """
        if self._snapshots.has(str(id_)):
            raise FailedPrecondition(
                f"there is data at {self.data_path(id_)}, though no snapshot ever used it: was the metastore "
                "replaced? Nothing there was touched. Stop lamina and run `lamina doctor`"
            )

    def make(self, id_: int, create: Callable[[str], None]) -> None:
        """Make the data of an identifier atomically, even if the machine crashes.

        File systems preserve the order of changes to names, so the final name exists only with everything below
        it. btrfs is the exception, if other processes sync files: see `Backend.repair`.

        Args:
            id_: An identifier without data.
            create: Makes the data at the given path, which does not exist, or makes nothing.
        """
        path = self.data_path(id_)
        try:
            create(path + UNFINISHED)
        except (OSError, ResourceExhausted) as error:
            if not is_no_space(error) or not self.free_space():
                raise
            self.discard_unfinished(id_)
            create(path + UNFINISHED)
        name, fd = str(id_), self._snapshots.fd
        with contextlib.suppress(FileNotFoundError):
            os.rename(name + UNFINISHED, name, src_dir_fd=fd, dst_dir_fd=fd)

    def data_path(self, id_: int) -> str:
        """Return the path of the data of an identifier."""
        return self._snapshots.path_of(str(id_))

    def discard(self, id_: int, *, unfinished: bool = False) -> None:
        """Discard the data of a snapshot that this process removed, or never stored, now or later.

        Args:
            id_: Its identifier, which no other snapshot will ever have.
            unfinished: Whether there may be unfinished data too.
        """
        if unfinished:
            self._trash.discard(self._snapshots, str(id_) + UNFINISHED)
        self._trash.discard(self._snapshots, str(id_))
        self.records.remove(id_)

    def discard_unfinished(self, id_: int) -> None:
        """Discard unfinished data, before more is made at the same path."""
        self._trash.put(self._snapshots, str(id_) + UNFINISHED)

    def discard_remains(self, id_: int) -> None:
        """Discard the remains of data that a crash damaged, before it is made again."""
        self.discard_unfinished(id_)
        self._trash.put(self._snapshots, str(id_))

    def reclaim(self) -> int:
        """Move data without a snapshot, left behind by earlier processes, to quarantine.

        Data of identifiers reserved by this process is never touched: its calls may be in progress. Nothing is
        touched if the metastore's entries disagree, or if it has no snapshots from earlier processes: it may have
        lost them.

        Returns:
            The number of identifiers moved. Failures are logged.

        Raises:
            Canceled: The work was cancelled.
        """
        found = self._ids_in(SNAPSHOTS) | self._ids_in(RECORDS)
        try:
            known = set(throttled(self._store.named_ids()))
        except DataLoss as error:
            _log.error("nothing is reclaimed: the metastore is damaged", exc_info=error, extra={"path": self.path})
            return 0
        first_id = self._store.first_id
        leftovers = {id_ for id_ in found - known if id_ < first_id}
        if leftovers and not any(id_ < first_id for id_ in known):
            _log.warning(
                "the metastore has no snapshots from earlier runs: leaving unknown data alone",
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
        """Return the identifiers with entries in a directory."""
        stems = (entry.removesuffix(UNFINISHED) for entry in throttled(self._parts[name].names()))
        return {int(stem) for stem in stems if stem.isdecimal()}

    def _reclaim_one(self, id_: int) -> bool:
        try:
            self.discard_unfinished(id_)
            self.records.drop_unfinished(id_)
            self._quarantine.put(id_, self._snapshots, self._parts[RECORDS])
        except OSError as error:
            _log.warning("could not reclaim the data of an interrupted call", exc_info=error, extra={"id": id_})
            return False
        return True

    def empty_trash(self) -> None:
        """Delete all discarded data and its recovery records, and return when they are gone.

        Expired entries in quarantine are deleted too (`Quarantine.expire`).

        Raises:
            FailedPrecondition: Some data cannot be deleted.
        """
        self._expire()
        self._trash.empty(patient=True)
        self.records.flush()

    def free_space(self) -> bool:
        """Delete quarantined data on a full disk (`Quarantine.give_up`); return whether that may have helped."""
        return self.agrees and bool(self._quarantine.give_up())

    def trash_entries(self) -> int:
        """Return the number of discarded entries that are not yet deleted.

        Raises:
            OSError: The directory cannot be read.
        """
        return sum(1 for _ in self._trash.entries())

    def close(self) -> None:
        """Stop deleting and release the lock. Closing twice does nothing."""
        self._trash.close()
        self.records.close()
        if self._sync is not None:
            self._sync.close()
        self._store.failed_sync.close()
        self._opened.close()


def _open_parts(
    directory: SecureDirectory, opened: contextlib.ExitStack, names: Iterable[str], create_mode: int | None = None
) -> dict[str, SecureDirectory]:
    """Return the directories of a data root by name; without `make`, only those that exist."""
    parts = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            parts[name] = opened.enter_context(directory.subdirectory(name, create_mode=create_mode))
    return parts


def _check_one_file_system(directory: SecureDirectory, parts: Mapping[str, SecureDirectory]) -> None:
    """Check that a rename can move data to the trash, and that one syncfs covers all data."""
    device = os.fstat(directory.fd).st_dev
    for part in parts.values():
        if os.fstat(part.fd).st_dev != device:
            raise FailedPrecondition(
                f"{part.path} is on another file system than {directory.path}: mount that file system on the data "
                "root itself, or set root_path"
            )
