"""Remembering that a sync has failed."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from typing import Final

from lamina.errdefs import DataLoss, Error
from lamina.fs import SecureDirectory, is_full_or_read_only, open_secure_file, replace_file
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._record import Record
from lamina.store import _checksum as checksum
from lamina.store._environment import Environment, Transaction

_log = logging.getLogger(__name__)

FAILED_SYNC: Final = "failed-sync"
"""The name of the file in a data root."""
RETRY_SECONDS: Final = 1.0
"""Seconds between attempts to store a failure in the metastore."""


def failed_sync_path(state: str, uuid: str, snapshotter: str, number: bytes) -> str:
    """Return the path of a snapshotter's file in the directory of the metastore's state.

    Earlier versions of lamina named it by the snapshotter's number, which a salvage or a rebuild changes. A file
    of that name is renamed, so that failures since the machine's boot are kept.

    Args:
        state: The directory.
        uuid: The metastore's.
        snapshotter: The snapshotter's name.
        number: Its number.

    Raises:
        OSError: The earlier file cannot be renamed, although the disk is neither full nor read-only.
    """
    prefix = os.path.join(state, f"failed-sync-{uuid}-")
    path = prefix + snapshotter.replace("/", "\1")  # unambiguous: names are printable
    earlier = prefix + number.hex()
    if os.path.lexists(earlier) and not os.path.lexists(path):
        try:
            os.rename(earlier, path)
        except OSError as error:
            if not is_full_or_read_only(error):
                raise
            return earlier
    return path


def failed_sync_in(root: SecureDirectory) -> int | None:
    """Read from a data root the highest identifier that a failed sync may have damaged; 0: no sync has failed.

    Returns:
        The identifier, or None if it is not stored there.

    Raises:
        FailedPrecondition: The file is a link, or another user's.
        OSError: It cannot be read.
    """
    told = (root.read(FAILED_SYNC) or b"").strip()
    return int(told) if told.isdigit() else None


class FailedSync:
    """The last failed sync of a snapshotter's data, and the active snapshots refused because of it.

    The kernel reports a failed write once for each open file (syncfs(2); errseq_t in the kernel's
    Documentation/core-api/errseq.rst), and serves reads from the page cache: neither a later successful sync nor
    reading back proves anything. So every active snapshot up to the highest identifier reserved when the sync
    failed is refused at its commit, for good.

    The identifier is stored in memory at once, then in a file, which survives the process, then in the metastore,
    which survives the machine: the next commit stores it there, or else a thread. It is also stored in a file of
    the data root, for a rebuild of the metastore.
    """

    def __init__(self, environment: Environment, name: str, path: str, last_id: int) -> None:
        """Read the failures of earlier processes.

        Args:
            environment: The metastore.
            name: The snapshotter.
            path: The file. Its directory must exist.
            last_id: The highest identifier reserved so far, assumed for an unreadable file.

        Raises:
            OSError: The file cannot be opened.
            FailedPrecondition: It is a link, or another user's.
        """
        self._environment = environment
        self._name = name
        self._path = path
        self._last_before = last_id
        self._lock = threading.Lock()
        """Guards the attributes below; not held while the metastore stores."""
        found = self._read(last_id)
        self._last_id = max(found, environment.read(self._stored))
        self._saved = not found
        """True if metastore and data root have the identifier, and the file is deleted."""
        self._root: SecureDirectory | None = None
        self._in_root: int | None = None
        """The identifier in the data root."""
        self._writing_in_root = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def attach(self, root: SecureDirectory, *, counts: bool) -> None:
        """Also store the identifier in a data root, and consider the one already there.

        A salvaged metastore may have lost the identifier. If the data root lacks it too, any sync may have failed.

        Args:
            root: The data root. Its owner closes it after this.
            counts: Whether its identifiers are those of this metastore.

        Raises:
            FailedPrecondition, OSError: As `failed_sync_in`.
        """
        in_root = failed_sync_in(root) if counts else None
        lost = counts and in_root is None and self._environment.read(_is_salvaged)
        with self._lock:
            self._root, self._in_root = root, in_root
            last_id = max(self._last_id, in_root or 0, self._last_before if lost else 0)
            self._saved = self._saved and self._last_id == last_id == (in_root or 0)
            self._last_id = last_id

    def write_in_root(self) -> None:
        """Write the identifier to the data root unless it is there, even if no sync has failed.

        Raises:
            OSError: It cannot be written.
        """
        with self._writing_in_root:
            last_id = self._last_id
            if self._root is not None and self._in_root != last_id:
                self._root.replace(FAILED_SYNC, b"%d\n" % last_id)
                self._in_root = last_id

    def mark(self, last_id: int) -> None:
        """Refuse all active snapshots up to an identifier from now on. A failing disk raises no exception."""
        with self._lock:
            self._last_id = max(self._last_id, last_id)
            self._saved = False
            _log.error(
                "a sync failed: active snapshots can no longer be committed and must be prepared again",
                extra={"snapshotter": self._name, "last_id": self._last_id},
            )
            try:
                replace_file(self._path, b"%d\n" % self._last_id)
            except OSError as error:
                _log.warning("cannot write the file of a failed sync", exc_info=error, extra={"path": self._path})
        self.start()

    def check(self, transaction: Transaction, record: Record) -> None:
        """Check that no sync has failed while a snapshot was active.

        Raises:
            DataLoss: A sync has failed.
        """
        if record.id <= max(self._last_id, self._stored(transaction)):
            raise DataLoss(
                f"snapshot {layout.shorten(record.info.name)}: a sync of the file system failed after it was "
                "prepared, and what was written to it may be lost: remove it and prepare it again"
            )

    def store(self, transaction: Transaction) -> None:
        """Store the identifier in a write transaction."""
        if self._stored(transaction) < self._last_id:
            checksum.put(transaction, layout.failed_sync_key(self._name), layout.IDENTIFIER.pack(self._last_id))

    def start(self) -> None:
        """Store the identifier in the background, with retries, unless it is stored."""
        with self._lock:
            if not self._saved and self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._work, name=f"failed sync {self._name}", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop retrying. The file stays for the next process. Closing twice does nothing."""
        self._closed.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        failed = False
        while not self._closed.is_set():
            try:
                self._save()
            except (Error, OSError) as error:
                if not failed:
                    extra = {"snapshotter": self._name}
                    _log.warning("cannot store a failed sync, will try again", exc_info=error, extra=extra)
                failed = True
                self._closed.wait(RETRY_SECONDS)
            with self._lock:
                if self._saved:
                    self._thread = None
                    return

    def _save(self) -> None:
        last_id = self._last_id
        self._environment.write(self.store)
        self.write_in_root()
        with self._lock:
            if self._last_id == last_id:  # otherwise the file already has a later failure
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path)
                self._saved = True

    def _stored(self, transaction: Transaction) -> int:
        found = checksum.get(transaction, layout.failed_sync_key(self._name))
        return int(layout.IDENTIFIER.unpack(found)[0]) if found else 0

    def _read(self, last_id: int) -> int:
        try:
            with open(open_secure_file(self._path, os.O_RDONLY), "rb") as file:
                return int(file.read())
        except FileNotFoundError:
            return 0
        except ValueError:
            _log.warning(
                "cannot read the file of a failed sync: assuming that all active snapshots are affected",
                extra={"path": self._path},
            )
            return last_id


def _is_salvaged(transaction: Transaction) -> bool:
    return transaction.get(layout.SALVAGED) is not None
