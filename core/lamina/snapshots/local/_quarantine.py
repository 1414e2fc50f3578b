"""The quarantine, in which data without a snapshot is kept before it is deleted.

A start finds such data: an interrupted call left it, or a metastore has lost records unnoticed. Rename
`quarantine/<id>-<time>` to `snapshots/<id>` to restore data, and `quarantine/<id>-<time>.json` to `records/<id>`
to restore its recovery record.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from lamina.errdefs import Canceled, DeadlineExceeded, Error
from lamina.fs import SecureDirectory
from lamina.snapshots.local._trash import NO_SPACE, Trash

_log = logging.getLogger(__name__)

QUARANTINE: Final = "quarantine"
"""The name of the directory."""
KEPT: Final = timedelta(days=7)
"""Minimum time for which data is kept while the disk has space."""
SPARE: Final = 0.1
"""The share of the file system's blocks that is kept free of quarantined data."""
_RECORD: Final = ".json"


class Entry(NamedTuple):
    """Data or a recovery record in quarantine."""

    since: datetime
    name: str
    id: int
    is_record: bool


class Quarantine:
    """A directory beside the data, made (0700) when first needed.

    Data with a recovery record in quarantine is the likeliest to be missed: it is deleted for its age alone.
    """

    def __init__(self, root: SecureDirectory, trash: Trash) -> None:
        """Use the directory `QUARANTINE` of a data root.

        Args:
            root: The data root.
            trash: The trash in which expired data is deleted.
        """
        self.path = root.path_of(QUARANTINE)
        self._root = root
        self._trash = trash

    def put(self, id_: int, snapshots: SecureDirectory, records: SecureDirectory) -> None:
        """Move the data and the recovery record of an identifier here. Either may be missing.

        If the file system is too full for that, delete data without a recovery record first.

        Raises:
            OSError: They cannot be moved, and stay in place.
        """
        new_name = f"{id_}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        moves = ((snapshots, new_name), (records, new_name + _RECORD))
        try:
            self._move(str(id_), moves)
        except OSError as error:
            if error.errno not in NO_SPACE or not self.give_up():
                raise
            self._move(str(id_), moves)

    def _move(self, name: str, moves: Iterable[tuple[SecureDirectory, str]]) -> None:
        with self._root.subdirectory(QUARANTINE, create_mode=0o700) as directory:
            for source, new_name in moves:
                if source.has(name):
                    os.rename(name, new_name, src_dir_fd=source.fd, dst_dir_fd=directory.fd)

    def expire(self) -> int:
        """Delete entries older than `KEPT`, and the oldest others while less than `SPARE` of the disk is free.

        Returns:
            The number of deleted entries.
        """
        limit = datetime.now(UTC) - KEPT
        given_up = self._delete(entry for entry in self._entries() if entry.since < limit)
        for entry in self._unknown():
            if not _is_crowded(self._root.fd):
                break
            given_up += self._delete([entry])
        return given_up

    def give_up(self) -> int:
        """Delete all data without a recovery record now, because the disk is full.

        Returns:
            The number of deleted entries.
        """
        return self._delete(self._unknown())

    def _unknown(self) -> list[Entry]:
        """Return the entries without a recovery record, oldest first."""
        entries = self._entries()
        known = {entry.id for entry in entries if entry.is_record}
        return [entry for entry in entries if entry.id not in known]

    def _entries(self) -> list[Entry]:
        """Return all entries, oldest first."""
        try:
            with self._root.subdirectory(QUARANTINE) as directory:
                entries = [entry for name in directory.names() for entry in _parse(name)]
        except FileNotFoundError:
            return []
        return sorted(entries, key=lambda entry: (entry.since, entry.name))

    def _delete(self, entries: Iterable[Entry]) -> int:
        """Delete entries, and return when they are gone. Failures are logged."""
        count = 0
        try:
            for entry in entries:
                self._give_up(entry)
                count += 1
            if count:
                self._trash.empty()
        except (Canceled, DeadlineExceeded):
            raise
        except (Error, OSError) as error:
            _log.warning("could not delete quarantined data", exc_info=error, extra={"path": self.path})
        return count

    def _give_up(self, entry: Entry) -> None:
        with self._root.subdirectory(QUARANTINE) as directory:
            if entry.is_record:
                os.unlink(entry.name, dir_fd=directory.fd)
            else:
                self._trash.put(directory, entry.name)


def _parse(name: str) -> Iterator[Entry]:
    """Yield the entry of that name, unless the name is not in the format of this module."""
    stem = name.removesuffix(_RECORD)
    id_, _, since = stem.partition("-")
    with contextlib.suppress(ValueError):
        yield Entry(datetime.fromisoformat(since), name, int(id_), stem != name)


def _is_crowded(directory: int) -> bool:
    status = os.statvfs(directory)
    return status.f_bavail < SPARE * status.f_blocks
