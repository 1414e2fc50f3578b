"""The directory in which a local snapshotter keeps its data."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from lamina.errdefs import DataLoss, FailedPrecondition, ResourceExhausted
from lamina.fs import FileSystemSync, Lock, SecureDirectory, remove_default_acl
from lamina.places import LOCK
from lamina.snapshots.local._claim import Claim
from lamina.snapshots.local._quarantine import QUARANTINE, Quarantine
from lamina.snapshots.local._recovery import UNFINISHED, RecoveryRecords
from lamina.snapshots.local._trash import NO_SPACE, Trash
from lamina.snapshots.local._unhurried import unhurried
from lamina.snapshots.storage import SnapshotterStore

_log = logging.getLogger(__name__)

SNAPSHOTS = "snapshots"
RECORDS = "records"
TRASH = "trash"
MADE = (SNAPSHOTS, RECORDS, TRASH)
PARTS = (*MADE, QUARANTINE)


class DataRoot:
    """A locked directory that belongs to one metastore, in which each snapshot's data is named by its identifier.

    ================  ==========================================================================
    ``lamina.lock``   held by the process that uses the directory; its pid is in it
    ``uuid``          the UUID of the metastore that the data belongs to, and how often it was opened (`Claim`)
    ``failed-sync``   the highest identifier that a failed sync may have damaged, 0: none has failed (`FailedSync`)
    ``snapshots/``    one entry for each identifier
    ``records/``      what is needed to make the metastore anew, one file for each identifier
    ``trash/``        what has been removed and is being deleted
    ``quarantine/``   what no snapshot had at a start, kept for a week (`Quarantine`)
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
        self.records = RecoveryRecords(parts[RECORDS], store)
        self._snapshots = parts[SNAPSHOTS]
        self._parts = parts
        self._store = store
        self.claim = claim
        self._trash = trash
        self._quarantine = Quarantine(directory, trash)
        self._sync = sync
        self.agrees = False
        """Whether the metastore was found to agree with itself. Nothing in quarantine is deleted before."""
        self._opened = opened

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
            PermissionDenied: Another user could put there what is then trusted, or could once.
            FailedPrecondition: It holds data that belongs to another metastore, or to a later state of this one;
                or it has a part on another file system, or a link in the place of one. Nothing in it is touched.
            OSError, ResourceExhausted, ReadOnly: It is new, and cannot be written to.
        """
        with contextlib.ExitStack() as undo:
            directory = undo.enter_context(SecureDirectory.open(path, create_mode=0o700))
            undo.enter_context(Lock.acquire(directory.path_of(LOCK), dir_fd=directory.fd))
            found = _open_parts(directory, undo, PARTS)
            claim = Claim(directory, store, found.get(SNAPSHOTS))
            parts = found | _open_parts(directory, undo, set(MADE) - set(found), create_mode=0o700)
            _check_one_file_system(directory, parts)
            remove_default_acl(parts[SNAPSHOTS].fd)  # else the roots of snapshots would inherit it
            claim.make_if_possible()
            trash = Trash(parts[TRASH], destroy)
            sync = FileSystemSync(path, on_failure=store.sync_failed) if sync_fs else None
            return cls(directory, parts, store, claim, trash, sync, undo.pop_all())

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
        if self._snapshots.has(str(id_)):
            raise FailedPrecondition(
                f"there is data at {self.data_path(id_)}, though nothing was ever made there: was the metastore "
                "replaced? Nothing there was touched. Stop lamina, and see what `lamina doctor` says"
            )

    def make(self, id_: int, create: Callable[[str], None]) -> None:
        """Make the data of an identifier: whole, or not at all, whatever crashes.

        File systems keep the order in which names change, so the last name is there only with all that is below.
        btrfs does not, if others sync files: see `Backend.mend`.

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
        name, fd = str(id_), self._snapshots.fd
        with contextlib.suppress(FileNotFoundError):
            os.rename(name + UNFINISHED, name, src_dir_fd=fd, dst_dir_fd=fd)

    def data_path(self, id_: int) -> str:
        """Where the data of an identifier is."""
        return self._snapshots.path_of(str(id_))

    def discard(self, id_: int) -> None:
        """Give up the data of a snapshot that was removed, or never stored, by this process."""
        try:
            self._trash.put(self._snapshots, str(id_))
        finally:
            self.records.remove(id_)  # the snapshot is gone, also where its data cannot be moved

    def discard_unfinished(self, id_: int) -> None:
        """Give up what was made of the data of a snapshot, and not moved to where the whole is."""
        self._trash.put(self._snapshots, str(id_) + UNFINISHED)

    def discard_remains(self, id_: int) -> None:
        """Give up what a crash has left of the data of a snapshot, which is made again."""
        self.discard_unfinished(id_)
        self._trash.put(self._snapshots, str(id_))

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
        stems = (entry.removesuffix(UNFINISHED) for entry in unhurried(self._parts[name].names()))
        return {int(stem) for stem in stems if stem.isdecimal()}

    def _reclaim_one(self, id_: int) -> bool:
        try:
            self.discard_unfinished(id_)
            self.records.drop_unfinished(id_)
            self._quarantine.put(id_, self._snapshots, self._parts[RECORDS])
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
        return sum(1 for _ in self._parts[TRASH].names())

    def close(self) -> None:
        """Stop deleting and give up the lock. Closing twice does nothing."""
        self._trash.close()
        self.records.close()
        if self._sync is not None:
            self._sync.close()
        self._store.failed_sync.close()
        self._opened.close()


def _is_no_space(error: OSError | ResourceExhausted) -> bool:
    return isinstance(error, ResourceExhausted) or error.errno in NO_SPACE


def _open_parts(
    directory: SecureDirectory, opened: contextlib.ExitStack, names: Iterable[str], create_mode: int | None = None
) -> dict[str, SecureDirectory]:
    """The directories in a data root that exist or are made, by name."""
    parts = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            parts[name] = opened.enter_context(directory.subdirectory(name, create_mode=create_mode))
    return parts


def _check_one_file_system(directory: SecureDirectory, parts: Mapping[str, SecureDirectory]) -> None:
    """Check that data can be renamed into the trash, and is synced with the root."""
    device = os.fstat(directory.fd).st_dev
    for part in parts.values():
        if os.fstat(part.fd).st_dev != device:
            raise FailedPrecondition(
                f"{part.path} is on another file system than {directory.path}: mount that one on the data "
                "root itself, or set root_path"
            )
