"""What is written beside each snapshot's data, so that a lost metastore can be made anew from it.

One JSON file for each identifier, replaced whole with each change of the record. It is never read in normal
operation: the metastore is the truth.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from typing import Any, Final

from lamina.snapshots._time import NANOSECONDS
from lamina.snapshots.storage import Record, SnapshotterStore

VERSION: Final = 1
STRIPES: Final = 64
UNFINISHED: Final = ".new"
"""Ends the name of a file that is being written."""


class RescueRecords:
    """The files in the `records/` directory of a data root."""

    def __init__(self, directory: str, store: SnapshotterStore) -> None:
        """Keep the files of a snapshotter.

        Args:
            directory: Where they are.
            store: What they say.
        """
        self._directory = directory
        self._store = store
        self._locks = tuple(threading.Lock() for _ in range(STRIPES))

    def write(self, id_: int) -> None:
        """Write down what the metastore says of an identifier now; if it says nothing, there is no file any more.

        It is read again here, under a lock, so that of two changes at once the later one stays.
        """
        path = self._path(id_)
        with self._locks[id_ % STRIPES]:
            found = self._store.record(id_)
            if found is None:
                for name in (path, path + UNFINISHED):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name)
                return
            keyspace, record = found
            with open(path + UNFINISHED, "w", encoding="utf-8") as file:
                json.dump(_document(self._store.name, keyspace, record), file)
                file.flush()
                # So `is_behind` sees which state of the record is in the file without reading it.
                os.utime(file.fileno(), ns=(record.info.updated, record.info.updated))
            os.rename(path + UNFINISHED, path)

    def is_behind(self, record: Record) -> bool:
        """Whether there is no file of a snapshot, or one that holds another state than its record."""
        try:
            status = os.stat(self._path(record.id))
        except FileNotFoundError:
            return True
        if not status.st_size:  # what a power cut leaves of a file that was written just before
            return True
        written, updated = status.st_mtime_ns, record.info.updated
        if written % NANOSECONDS == 0:  # perhaps a file system that knows no fractions of a second
            updated -= updated % NANOSECONDS
        return written != updated

    def _path(self, id_: int) -> str:
        return os.path.join(self._directory, str(id_))


def _document(snapshotter: str, keyspace: str, record: Record) -> dict[str, Any]:
    info = record.info
    return {
        "version": VERSION,
        "snapshotter": snapshotter,
        "keyspace": keyspace,
        "id": record.id,
        "key": info.name,
        "kind": info.kind.name.lower(),
        "parent": info.parent,
        "parent_ids": record.parent_ids,
        "labels": dict(info.labels),
        "created": info.created,
        "updated": info.updated,
        "size": record.usage.size,
        "inodes": record.usage.inodes,
    }
