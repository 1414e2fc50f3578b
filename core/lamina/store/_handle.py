"""The handle of an LMDB environment, which is opened again when LMDB refuses to continue."""

from __future__ import annotations

import logging
import os
import time
from typing import Final

import lmdb

from lamina.errdefs import DataLoss, Error, ReadOnly, Unavailable, from_os_error
from lamina.fs import NO_SPACE, check_writable, opened
from lamina.store._errors import translated
from lamina.store._gate import Gate
from lamina.store._lmdb import DATA, open_lmdb

_log = logging.getLogger(__name__)

META_PAGES: Final = 2
"""The number of meta pages, which point to the tree, at the start of an LMDB file (NUM_METAS in mdb.c)."""
RETRY_SECONDS: Final = 1.0
"""Minimum time between two attempts to repair an environment."""


class Handle:
    """The LMDB environment of a directory, and the reason for which it cannot be used, if any."""

    def __init__(self, path: str, state: str, map_size: int, gate: Gate) -> None:
        """Open it.

        Args:
            path: As `open_lmdb`.
            state: As `open_lmdb`.
            map_size: As `open_lmdb`.
            gate: Keeps transactions out while the environment is repaired or grows.

        Raises:
            Error: It cannot be opened.
        """
        self._path = path
        self._state = state
        self._map_size = map_size
        self._gate = gate
        self._directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.openings = 0
        """The number of times that the file was opened."""
        try:
            self.lmdb = self._open()
        except BaseException:
            os.close(self._directory)
            raise
        self.outage = self._obstacle()
        """The error to raise for every write until the environment is repaired; None: it can be used."""
        self._next_attempt = 0.0
        self._logged = ""
        self._log_change()

    def _open(self) -> lmdb.Environment:
        self.openings += 1
        try:
            with translated(self._path):
                return open_lmdb(self._path, self._state, self._map_size)
        except OSError as error:
            raise from_os_error(error, f"open metastore {self._path}") from error

    def _obstacle(self) -> Error | None:
        """Return why nothing can be stored in an environment just opened, or left open by a failed commit."""
        if self.lmdb.flags()["readonly"]:
            return ReadOnly(f"metastore {self._path} is on a read-only file system: make it writable")
        try:
            _rewrite(os.path.join(self._path, DATA), META_PAGES * self.lmdb.stat()["psize"])
        except Error as error:
            return self._unusable(error)
        return None

    def _unusable(self, error: Error) -> Unavailable:
        return Unavailable(f"metastore {self._path} cannot be used, will try again: {error}")

    def grow(self) -> None:
        """Double the map once no transaction is open, as mdb_env_set_mapsize demands.

        Raises:
            Error: The address space is exhausted, or the environment is closed.
        """
        with self._gate.alone(), translated(self._path):
            self.lmdb.set_mapsize(2 * self._map_size)
            self._map_size *= 2

    def check_committed(self) -> None:
        """Check that the sync of the last commit was effective (`lamina.fs.check_writable`).

        Raises:
            DataLoss: The commit may be lost, although reads find it.
        """
        try:
            check_writable(self._directory)
        except OSError as error:
            raise DataLoss(f"metastore {self._path}: the commit may be lost: {error.strerror}") from error

    def fail(self, error: Error) -> None:
        """Refuse writes after a failed commit, until `repair` has found the environment usable."""
        self.outage = Unavailable(f"{error}; the metastore is opened again")
        self._next_attempt = 0.0

    def repair(self) -> bool:
        """Open an unusable environment again, unless the last attempt was less than `RETRY_SECONDS` ago.

        Returns:
            Whether it can be used; if not, `outage` says why.
        """
        if time.monotonic() < self._next_attempt:
            return self.outage is None
        try:
            with self._gate.alone():
                return self._repair()
        except Error:  # it is closed
            return False

    def _repair(self) -> bool:
        """Open the environment again if LMDB refuses everything, and find out whether the disk works.

        When a write to a meta page fails, LMDB refuses everything from then on, even if the disk has space again
        (MDB_FATAL_ERROR in mdb.c). It is closed first: a process must not open a file twice.
        """
        refuses = self._refuses()
        if self.outage is None and not refuses:  # another thread has repaired it
            return True
        try:
            if refuses:
                self.lmdb.close()
                self.lmdb = self._open()
            self.outage = self._obstacle()
        except Error as error:
            self.outage = self._unusable(error)
        self._log_change()
        self._next_attempt = time.monotonic() + RETRY_SECONDS if self.outage else 0.0
        return self.outage is None

    def _log_change(self) -> None:
        """Log the beginning and the end of an outage."""
        logged, self._logged = self._logged, "" if self.outage is None else str(self.outage)
        if self._logged and self._logged != logged:
            _log.error("nothing can be stored", extra={"error": self._logged})
        elif logged and not self._logged:
            _log.info("the metastore can be used again", extra={"path": self._path})

    def _refuses(self) -> bool:
        try:
            self.lmdb.begin(write=True).abort()
        except lmdb.Error:
            return True
        return False

    def close(self) -> None:
        """Close the environment. No transaction may be open."""
        self.lmdb.close()
        os.close(self._directory)


def _rewrite(path: str, size: int) -> None:
    """Write the meta pages of memory to the disk again.

    The last write of a commit is a meta page. If it fails, LMDB restores the page in memory alone
    (mdb_env_write_meta in mdb.c): the page on disk may point to the failed transaction, whose pages the next one
    overwrites. A power cut between the two would leave a mixture. So the next transaction begins only when the
    disk agrees with memory. The pages are written anew for that: after a failed fdatasync, a second one would find
    nothing to do, and succeed.

    Args:
        path: The file.
        size: Bytes of the meta pages.

    Raises:
        Error: The disk failed again.
    """
    try:
        with opened(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW) as fd:
            os.pwrite(fd, os.pread(fd, size, 0), 0)
            os.fdatasync(fd)
            check_writable(fd)
    except OSError as error:
        if error.errno not in NO_SPACE:  # the next commit reports a full disk: it writes and syncs as well
            raise from_os_error(error, "write the metastore") from error
