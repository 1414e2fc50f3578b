"""An LMDB environment that is opened anew when it refuses to go on."""

from __future__ import annotations

import logging
import os
import time
from typing import Final

import lmdb

from lamina.errdefs import Error, ReadOnly, Unavailable, from_os_error
from lamina.fs import NO_SPACE
from lamina.snapshots.storage._errors import translated
from lamina.snapshots.storage._opening import DATA, open_lmdb

_log = logging.getLogger(__name__)

META_PAGES: Final = 2
"""The pages of an LMDB file that say where the tree is (NUM_METAS in mdb.c)."""
RETRY_SECONDS: Final = 1.0
"""How long an environment that could not be opened anew is left alone before the next attempt."""


class Opened:
    """The environment of a directory, and why it cannot be used, if it cannot.

    The caller sees to it that only one thread mends it or grows it, while no transaction is open.
    """

    def __init__(self, path: str, state: str, map_size: int) -> None:
        """Open it, with the parameters of `open_lmdb`.

        Raises:
            Error: It cannot be opened.
        """
        self._path = path
        self._state = state
        self._map_size = map_size
        self.lmdb = self._open()
        self.outage = self._obstacle()
        """Why nothing can be stored until it is mended: to be raised."""
        self._next_attempt = 0.0
        self._told = ""
        self._tell()

    def _open(self) -> lmdb.Environment:
        try:
            with translated(self._path):
                return open_lmdb(self._path, self._state, self._map_size)
        except OSError as error:
            raise from_os_error(error, f"open metastore {self._path}") from error

    def _obstacle(self) -> Error | None:
        """Why nothing can be stored in what was opened, or stayed open after a commit that failed."""
        if self.lmdb.flags()["readonly"]:
            return ReadOnly(f"metastore {self._path} is on a read-only file system: make it writable")
        try:
            _settle(os.path.join(self._path, DATA), META_PAGES * self.lmdb.stat()["psize"])
        except Error as error:
            return self._unusable(error)
        return None

    def _unusable(self, error: Error) -> Unavailable:
        return Unavailable(f"metastore {self._path} cannot be used, will try again: {error}")

    def grow(self) -> None:
        """Double the map.

        Raises:
            Error: There is no address space for that.
        """
        with translated(self._path):
            self.lmdb.set_mapsize(2 * self._map_size)
        self._map_size *= 2

    def fail(self, error: Error) -> None:
        """Take a commit for failed: nothing is stored before `mend` has looked at what can be."""
        self.outage = Unavailable(f"{error}; the metastore is opened again")
        self._next_attempt = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next attempt to mend it."""
        return time.monotonic() >= self._next_attempt

    def mend(self) -> bool:
        """Find out whether the environment can be used, and open it anew where it cannot.

        When a write to its first pages fails, LMDB refuses everything from then on, also when the disk has space
        again (MDB_FATAL_ERROR in mdb.c). It is closed first, since a process must not open a file twice.

        Returns:
            Whether it can be used; if not, `outage` says why.
        """
        refuses = self._refuses()
        if self.outage is None and not refuses:  # another thread was quicker
            return True
        try:
            if refuses:
                self.lmdb.close()
                self.lmdb = self._open()
            self.outage = self._obstacle()
        except Error as error:
            self.outage = self._unusable(error)
        self._tell()
        self._next_attempt = time.monotonic() + RETRY_SECONDS if self.outage else 0.0
        return self.outage is None

    def _tell(self) -> None:
        """Log when the environment cannot be used, and when it can again."""
        told, self._told = self._told, "" if self.outage is None else str(self.outage)
        if self._told and self._told != told:
            _log.error("nothing can be stored", extra={"error": self._told})
        elif told and not self._told:
            _log.info("the metastore can be used again", extra={"path": self._path})

    def _refuses(self) -> bool:
        try:
            self.lmdb.begin(write=True).abort()
        except lmdb.Error:
            return True
        return False


def _settle(path: str, size: int) -> None:
    """Make the meta pages on the disk those that are in memory.

    The last write of a commit is a meta page. If it fails, LMDB takes it back in memory alone (mdb_env_write_meta
    in mdb.c): the disk may lead to the pages of the failed transaction, over which the next one writes. A power
    cut between the two would leave a mixture. So the next one begins when the disk has what memory has. The pages
    are written again for that: after an fdatasync that failed, another one would find nothing to do, and succeed.

    Args:
        path: The file.
        size: Bytes of the meta pages, with which it begins.

    Raises:
        Error: The disk failed again.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.pwrite(fd, os.pread(fd, size, 0), 0)
            os.fdatasync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno not in NO_SPACE:  # then the next commit, which writes and syncs as well, is told
            raise from_os_error(error, "write the metastore") from error
