"""Recovery records: files beside the data, from which a lost metastore is rebuilt.

There is one JSON file (`RecoveryRecord`) for each identifier. A background thread replaces it when the record has
changed; a crash may leave it outdated, which the next start repairs. Hosts never use its content: the metastore is
authoritative.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Final

from lamina.errdefs import DataLoss, Error, FailedPrecondition
from lamina.fs import SecureDirectory, write_all
from lamina.snapshots._time import NANOSECONDS
from lamina.snapshots.local._progress import Progress
from lamina.snapshots.storage import Record, SnapshotterStore
from lamina.snapshots.storage.recovery_record import RecoveryRecord

_log = logging.getLogger(__name__)

DELAY: Final = 0.1
"""Seconds without a change after which changes are written: a snapshot removed by then never is."""
LONGEST_DELAY: Final = 0.5
"""Seconds after which changes are written although more are coming, which writing slows. To `lamina doctor`, a
record that is behind for a second is a finding."""
MOST: Final = 1 << 24
"""Maximum number of bytes read of a file: no request that gRPC accepts is larger."""
UNFINISHED: Final = ".new"
"""The suffix of a file that is being written."""


class RecoveryRecords:
    """The files in the `records/` directory of a data root."""

    def __init__(self, directory: SecureDirectory, store: SnapshotterStore, progress: Progress) -> None:
        """Keep the files of a snapshotter.

        Args:
            directory: Their directory. The caller closes it after this.
            store: The source of the records.
            progress: Written with them.
        """
        self._directory = directory
        self._store = store
        self._progress = progress
        self._changed: collections.deque[tuple[int, bool]] = collections.deque()
        """Identifiers, each with whether its snapshot was removed."""
        self._writing = threading.Lock()
        self._failing = False
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"recovery records {directory.path}", daemon=True)

    def start(self) -> None:
        """Start the thread, which also writes earlier changes."""
        self._thread.start()

    def write(self, id_: int) -> None:
        """Write the record of a snapshot soon. If the metastore has none, the file stays unchanged."""
        self._change(id_, removed=False)

    def remove(self, id_: int) -> None:
        """Delete the file of a removed snapshot soon. If the metastore still has a record, the file stays."""
        self._change(id_, removed=True)

    def _change(self, id_: int, *, removed: bool) -> None:
        self._changed.append((id_, removed))
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Write all changes so far. Failed writes are repeated with the next change."""
        with self._writing:
            changed: dict[int, bool] = {}
            for _ in range(len(self._changed)):
                id_, removed = self._changed.popleft()
                changed[id_] = changed.get(id_, False) or removed  # in whatever order the threads came
            failed = {
                id_: error for id_ in changed if (error := self._write(id_, removed=changed[id_])) is not None
            }
            self._changed.extend((id_, changed[id_]) for id_ in failed)
            if changed:
                self._report([*failed.values(), *self._write_progress()])

    def close(self) -> None:
        """Write all changes and stop the thread. Closing twice does nothing."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()  # changes made while the thread was ending

    def _work(self) -> None:
        oldest = time.monotonic()
        while not self._stopped.is_set():
            if not self._wake.is_set():
                self._wake.wait()
                oldest = time.monotonic()
            self._wait_for_calm(oldest)
            oldest = time.monotonic()  # changes may come while earlier ones are written
            self.flush()

    def _wait_for_calm(self, oldest: float) -> None:
        latest = oldest + LONGEST_DELAY
        while self._wake.is_set() and time.monotonic() < latest:
            self._wake.clear()
            self._stopped.wait(DELAY)
        self._wake.clear()

    def _write(self, id_: int, *, removed: bool) -> Exception | None:
        """Write or delete one file; return an error instead of raising it: the operation itself is durable."""
        try:
            found = self._store.record(id_)
            if found is not None:
                self._replace(*found)
            elif removed:
                self._unlink(id_)
        except (Error, OSError) as error:
            return error
        return None

    def _write_progress(self) -> Sequence[Exception]:
        """Write how far the metastore is; return an error instead of raising it."""
        try:
            self._progress.write()
        except (Error, OSError) as error:
            return [error]
        return []

    def _report(self, problems: Sequence[Exception]) -> None:
        """Log when writing begins to fail and when it works again, but not each failure."""
        if problems and not self._failing:
            fields = {"path": self._directory.path, "snapshots": len(problems)}
            _log.warning("cannot write recovery records, will try again", exc_info=problems[0], extra=fields)
        elif self._failing and not problems:
            _log.info("recovery records are written again", extra={"path": self._directory.path})
        self._failing = bool(problems)

    def _replace(self, keyspace: str, record: Record) -> None:
        self.drop_unfinished(record.id)
        replace_record(self._directory, RecoveryRecord(self._store.name, keyspace, record, self._store.uuid))

    def _unlink(self, id_: int) -> None:
        self.drop_unfinished(id_)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(str(id_), dir_fd=self._directory.fd)

    def drop_unfinished(self, id_: int) -> None:
        """Delete the unfinished file that an interrupted write left behind."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(str(id_) + UNFINISHED, dir_fd=self._directory.fd)

    def knows_later(self, record: Record) -> bool:
        """Return whether a snapshot's file is newer than its record, because the metastore lost a change."""
        try:
            told = RecoveryRecord.decode(self._directory.read(str(record.id), MOST) or b"")
        except (DataLoss, FailedPrecondition):  # damaged, or something else than a file
            return False
        is_own = (told.metastore, told.snapshotter, told.record.id) == (
            self._store.uuid,
            self._store.name,
            record.id,
        )
        return is_own and told.record.info.updated > record.info.updated

    def has(self, id_: int) -> bool:
        """Return whether an identifier has a file."""
        return self._directory.has(str(id_))

    def is_behind(self, record: Record) -> bool:
        """Return whether a snapshot's file is missing or differs from its record."""
        try:
            status = os.stat(str(record.id), dir_fd=self._directory.fd, follow_symlinks=False)
        except FileNotFoundError:
            return True
        if not status.st_size:  # a power cut can leave a file just written empty
            return True
        written, updated = status.st_mtime_ns, record.info.updated
        if written % NANOSECONDS == 0:  # perhaps the file system stores whole seconds only
            updated -= updated % NANOSECONDS
        return written != updated


def replace_record(directory: SecureDirectory, written: RecoveryRecord) -> None:
    """Create a recovery record, or replace it atomically.

    One that a kill or a power cut interrupts while it is created is empty or incomplete.

    Args:
        directory: The directory of the recovery records.
        written: The new record.

    Raises:
        OSError: It cannot be written.
    """
    name, updated = str(written.record.id), written.record.info.updated
    exists = directory.has(name)
    target = name + UNFINISHED if exists else name  # renaming takes as long as all the rest
    fd = directory.create(target)
    try:
        try:
            write_all(fd, written.encode())
            # `RecoveryRecords.is_behind` compares the time without reading the file.
            os.utime(fd, ns=(updated, updated))
        finally:
            os.close(fd)
        if exists:
            os.rename(target, name, src_dir_fd=directory.fd, dst_dir_fd=directory.fd)
    except BaseException:
        os.unlink(target, dir_fd=directory.fd)
        raise
