"""The claim of a metastore to a data root."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from typing import Final

from lamina.errdefs import DataLoss, Error, FailedPrecondition
from lamina.fs import SecureDirectory, is_full_or_read_only
from lamina.snapshots.local._opening import UUID, missing
from lamina.snapshots.local._progress import read_progress
from lamina.snapshots.local._recovery import MOST
from lamina.snapshots.storage import SnapshotterStore
from lamina.snapshots.storage.recovery_record import RecoveryRecord

_log = logging.getLogger(__name__)

_READ: Final = 16
"""Maximum number of recovery records that a start reads to find out whose they are; usually one is enough."""


class Claim:
    """The file `uuid` of a data root: the UUID of its metastore, and the number of times that was opened with it.

    A metastore restored from a backup was opened less often than its data root, and does not know the snapshots
    made since. So the file is written before any snapshot is made or committed: at the opening of a new data root,
    and in the background after that of another. On a full disk, snapshots are still served and removed.
    """

    def __init__(
        self,
        root: SecureDirectory,
        store: SnapshotterStore,
        snapshots: SecureDirectory | None,
        records: SecureDirectory | None = None,
    ) -> None:
        """Check that existing data belongs to the store and is not newer. Write nothing.

        Args:
            root: The data root. The caller closes it after this.
            store: The store that the data should belong to.
            snapshots: The directory with the data, or None if it does not exist yet.
            records: The directory with the recovery records, likewise.

        Raises:
            FailedPrecondition: It belongs to another metastore or snapshotter, or to a later state of this one.
            Unavailable: There is none, although the store has snapshots.
            OSError: Its file of failed syncs cannot be read.
        """
        self.made = False
        """True if the file has been written by this process."""
        self._root = root
        self._store = store
        self._making = threading.Lock()
        path = root.path
        owner, _, count = (root.read(UUID) or b"").decode("ascii", "replace").strip().partition(" ")
        opened = int(count) if count.isdecimal() else 0
        self.is_known = owner == store.uuid
        """True if the data root was the store's when it was opened."""
        if not self.is_known and snapshots and any(snapshots.names()):
            whose = f"metastore {owner}" if owner else "no metastore that left its mark"
            raise FailedPrecondition(
                f"data root {path} holds snapshots of {whose}, and the metastore in use is {store.uuid}, which "
                "does not know them. Nothing there was touched. If the metastore's file was lost, stop lamina and "
                "rebuild it: `lamina metastore rebuild`; to start empty, move the data root away or set "
                "root_path to an empty directory"
            )
        if not self.is_known and store.has_snapshots():
            raise missing(path, store.uuid, store.name)
        if self.is_known and snapshots and records and any(snapshots.names()):
            _check_snapshotter(path, store.name, records)
        if self.is_known and opened > store.opened_before:
            raise FailedPrecondition(
                f"data root {path} is newer than the metastore, which was opened {store.opened_before} times, "
                f"and the data root {opened} times: was an older copy put in its place? It does not know the "
                "snapshots made since. Nothing there was touched. Stop lamina, and add them: `lamina "
                "metastore rebuild`"
            )
        if self.is_known and (progress := read_progress(root, store.uuid)) > (
            store.opened_before,
            store.opened_at,
        ):
            raise FailedPrecondition(
                f"data root {path} is newer than the metastore, whose last transaction is {store.opened_at}, and "
                f"the data root knows of {progress[1]}: was an older copy put in its place? It does not know the "
                "snapshots made since. Nothing there was touched. Stop lamina, and add them: `lamina metastore "
                "rebuild`"
            )
        store.failed_sync.attach(root, counts=self.is_known)

    def make_if_possible(self) -> None:
        """Write the file, or leave that to the first snapshot if the disk is full or read-only.

        Raises:
            OSError, Error: As `make`, for other reasons.
        """
        try:
            self.make()
        except (Error, OSError) as error:
            if not is_full_or_read_only(error):
                raise
            _log.warning("cannot count this start", exc_info=error, extra={"path": self._root.path})

    def make(self) -> None:
        """Write the file, unless it has been written.

        Raises:
            OSError: It cannot be written.
            ResourceExhausted, ReadOnly: The metastore cannot be written to.
        """
        with self._making:
            if not self.made:
                self._store.failed_sync.write_in_root()
                self._root.replace(UUID, f"{self._store.uuid} {self._store.count_opening()}\n".encode())
                self.made = True


def _check_snapshotter(path: str, own: str, records: SecureDirectory) -> None:
    """Check that some of the first recovery records are of a snapshotter, if any can be read."""
    found: set[str] = set()
    for name in itertools.islice(records.names(), _READ):
        with contextlib.suppress(DataLoss, FailedPrecondition):  # damaged, or something else than a file
            found.add(RecoveryRecord.decode(records.read(name, MOST) or b"").snapshotter)
        if own in found:
            return
    if found:
        raise FailedPrecondition(
            f"data root {path} holds snapshots of {', '.join(sorted(found))}, whose data {own} would consider "
            f"damaged. Nothing there was touched: set root_path of {own} to another directory"
        )
