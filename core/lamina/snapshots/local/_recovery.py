"""Recovery records: a file beside each snapshot's data, from which a lost metastore is rebuilt.

One JSON file (`RecoveryRecord`) for each identifier, replaced whole when the record has changed, in the
background: a crash leaves some a moment behind, which the next start mends. The host reads none of them: the
metastore is the truth.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import threading
from collections.abc import Mapping
from typing import Final

from lamina.errdefs import DataLoss, Error
from lamina.fs import SecureDirectory
from lamina.snapshots._time import NANOSECONDS
from lamina.snapshots.storage import Record, SnapshotterStore
from lamina.snapshots.storage.recovery_record import RecoveryRecord

_log = logging.getLogger(__name__)

DELAY: Final = 0.1
"""Seconds for which changes are collected: what is made and removed again within them is never written."""
MOST: Final = 1 << 24
"""Bytes of a file that are read: gRPC carries no larger message."""
UNFINISHED: Final = ".new"
"""Ends the name of a file that is being written."""


class RecoveryRecords:
    """The files in the `records/` directory of a data root."""

    def __init__(self, directory: SecureDirectory, store: SnapshotterStore) -> None:
        """Keep the files of a snapshotter.

        Args:
            directory: Where they are. The caller closes it, later than this.
            store: What they say.
        """
        self._directory = directory
        self._store = store
        self._changed: collections.deque[tuple[int, bool]] = collections.deque()
        """Identifiers, and whether their snapshots are removed."""
        self._writing = threading.Lock()
        self._failing = False
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"recovery records {directory.path}", daemon=True)

    def start(self) -> None:
        """Begin to write, what has changed before as well."""
        self._thread.start()

    def write(self, id_: int) -> None:
        """Write down soon what the metastore says of a snapshot. If it says nothing, the file stays as it is."""
        self._change(id_, removed=False)

    def remove(self, id_: int) -> None:
        """Delete soon the file of a snapshot that was removed. If the metastore still has it, the file stays."""
        self._change(id_, removed=True)

    def _change(self, id_: int, *, removed: bool) -> None:
        self._changed.append((id_, removed))
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Write what has changed so far. What cannot be written is written with the next change."""
        with self._writing:
            changed = dict(self._changed.popleft() for _ in range(len(self._changed)))
            failed = {
                id_: error for id_ in changed if (error := self._write(id_, removed=changed[id_])) is not None
            }
            self._changed.extend((id_, changed[id_]) for id_ in failed)
            if changed:
                self._report(failed)

    def close(self) -> None:
        """Write what has changed, and end. Closing twice does nothing."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()  # what came while the thread was at its last

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait()
            self._stopped.wait(DELAY)
            self._wake.clear()
            self.flush()

    def _write(self, id_: int, *, removed: bool) -> Exception | None:
        """Write or delete one; returns what kept it from that. The operation itself is durable already."""
        try:
            found = self._store.record(id_)
            if found is not None:
                self._replace(*found)
            elif removed:
                self._unlink(id_)
        except (Error, OSError) as error:
            return error
        return None

    def _report(self, failed: Mapping[int, Exception]) -> None:
        """Say when writing begins to fail and when it works again, not with each change between."""
        if failed and not self._failing:
            error = next(iter(failed.values()))
            fields = {"path": self._directory.path, "snapshots": len(failed)}
            _log.warning("cannot write recovery records, will try again", exc_info=error, extra=fields)
        elif self._failing and not failed:
            _log.info("recovery records are written again", extra={"path": self._directory.path})
        self._failing = bool(failed)

    def _replace(self, keyspace: str, record: Record) -> None:
        replace_record(self._directory, RecoveryRecord(self._store.name, keyspace, record, self._store.uuid))

    def _unlink(self, id_: int) -> None:
        self.drop_unfinished(id_)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(str(id_), dir_fd=self._directory.fd)

    def drop_unfinished(self, id_: int) -> None:
        """Delete what an interrupted write left of the file of a snapshot that is not there."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(str(id_) + UNFINISHED, dir_fd=self._directory.fd)

    def knows_later(self, record: Record) -> bool:
        """Whether the file of a snapshot tells of a later change than its record: the metastore lost one."""
        data = self._directory.read(str(record.id), MOST)
        try:
            told = RecoveryRecord.decode(data or b"")
        except DataLoss:
            return False
        return told.metastore == self._store.uuid and told.record.info.updated > record.info.updated

    def has(self, id_: int) -> bool:
        """Whether there is a file of an identifier."""
        return self._directory.has(str(id_))

    def is_behind(self, record: Record) -> bool:
        """Whether there is no file of a snapshot, or one that holds another state than its record."""
        try:
            status = os.stat(str(record.id), dir_fd=self._directory.fd, follow_symlinks=False)
        except FileNotFoundError:
            return True
        if not status.st_size:  # what a power cut leaves of a file that was written just before
            return True
        written, updated = status.st_mtime_ns, record.info.updated
        if written % NANOSECONDS == 0:  # perhaps a file system that knows no fractions of a second
            updated -= updated % NANOSECONDS
        return written != updated


def replace_record(directory: SecureDirectory, written: RecoveryRecord) -> None:
    """Write a recovery record, old or new whatever crashes.

    Args:
        directory: The directory of the recovery records.
        written: What it is to say.

    Raises:
        OSError: It cannot be written.
    """
    record = written.record
    name = str(record.id)
    with open(directory.create(name + UNFINISHED), "wb") as file:
        file.write(written.encode())
        file.flush()
        # So `RecoveryRecords.is_behind` sees which state of the record is in the file without reading it.
        os.utime(file.fileno(), ns=(record.info.updated, record.info.updated))
    os.rename(name + UNFINISHED, name, src_dir_fd=directory.fd, dst_dir_fd=directory.fd)
