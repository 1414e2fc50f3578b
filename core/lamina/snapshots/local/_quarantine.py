"""Where data that no snapshot has waits before it is deleted.

Such data is found at a start: an interrupted call left it, or a metastore has lost records without showing it.
A rename of `quarantine/<id>-<time>` to `snapshots/<id>` brings it back, and one of `quarantine/<id>-<time>.json`
to `records/<id>` its recovery record.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from lamina.errdefs import Canceled, DeadlineExceeded, Error
from lamina.fs import SecureDirectory
from lamina.snapshots.local._trash import NO_SPACE, Trash

_log = logging.getLogger(__name__)

QUARANTINE: Final = "quarantine"
"""The name of the directory."""
KEPT: Final = timedelta(days=7)
"""How long data is kept at least, where the disk has space."""
SPARE: Final = 0.1
"""The share of the file system's blocks that is kept free of quarantined data."""
_RECORD: Final = ".json"


@attrs.frozen(order=True)
class Entry:
    """Data or a recovery record in quarantine. What has been there longest comes first."""

    since: datetime
    name: str
    id: int
    is_record: bool


class Quarantine:
    """A directory beside the data, made (0700) when something is put there.

    Data of an identifier that a recovery record in quarantine knows is the likeliest to be missed: it is deleted
    for its age alone.
    """

    def __init__(self, root: SecureDirectory, trash: Trash) -> None:
        """Use the directory `QUARANTINE` of a data root.

        Args:
            root: The data root.
            trash: Where data goes from here.
        """
        self.path = root.path_of(QUARANTINE)
        self._root = root
        self._trash = trash

    def put(self, id_: int, snapshots: SecureDirectory, records: SecureDirectory) -> None:
        """Move the data and the recovery record of an identifier here. Either may be missing.

        Where a full file system refuses, what is here is deleted first.

        Args:
            id_: The identifier.
            snapshots: The directory of the data.
            records: The directory of the recovery records.

        Raises:
            OSError: They cannot be moved. They stay where they are.
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
        """Delete what was kept long enough, and the oldest while the disk has less space than it should.

        Returns:
            How many entries were given up.
        """
        limit = datetime.now(UTC) - KEPT
        given_up = self._delete(entry for entry in self._entries() if entry.since < limit)
        for entry in self._unknown():
            if not _is_crowded(self._root.fd):
                break
            given_up += self._delete([entry])
        return given_up

    def give_up(self) -> int:
        """Delete now what no recovery record knows: the disk is full.

        Returns:
            How many entries were given up.
        """
        return self._delete(self._unknown())

    def _unknown(self) -> list[Entry]:
        """The entries that no recovery record knows, the oldest first."""
        entries = self._entries()
        known = {entry.id for entry in entries if entry.is_record}
        return [entry for entry in entries if entry.id not in known]

    def _entries(self) -> list[Entry]:
        try:
            with self._root.subdirectory(QUARANTINE) as directory:
                return sorted(entry for name in directory.names() for entry in _parse(name))
        except FileNotFoundError:
            return []

    def _delete(self, entries: Iterable[Entry]) -> int:
        """Delete entries, and return when they are gone. What cannot be deleted is logged."""
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
            _log.warning("could not delete what was in quarantine", exc_info=error, extra={"path": self.path})
        return count

    def _give_up(self, entry: Entry) -> None:
        with self._root.subdirectory(QUARANTINE) as directory:
            if entry.is_record:
                os.unlink(entry.name, dir_fd=directory.fd)
            else:
                self._trash.put(directory, entry.name)


def _parse(name: str) -> Iterator[Entry]:
    """The entry of that name; nothing for a name that this module did not make."""
    stem = name.removesuffix(_RECORD)
    id_, _, since = stem.partition("-")
    with contextlib.suppress(ValueError):
        yield Entry(datetime.fromisoformat(since), name, int(id_), stem != name)


def _is_crowded(directory: int) -> bool:
    status = os.statvfs(directory)
    return status.f_bavail < SPARE * status.f_blocks
