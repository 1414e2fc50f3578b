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
        self.outage: Error | None = self._read_only()
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

    def _read_only(self) -> ReadOnly | None:
        if not self.lmdb.flags()["readonly"]:
            return None
        return ReadOnly(f"metastore {self._path} is on a read-only file system: make it writable")

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
            _sync_data(os.path.join(self._path, DATA))
            self.outage = self._read_only()
        except Error as error:
            self.outage = Unavailable(f"metastore {self._path} cannot be used, will try again: {error}")
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


def _sync_data(path: str) -> None:
    """Write what is in memory of the data to disk: after a failed commit that must work before the next one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno not in NO_SPACE:  # then the next commit, which syncs as well, is told
            raise from_os_error(error, "sync the metastore") from error
