"""Space that is kept for the day on which a file system is full."""

from __future__ import annotations

import logging
import os
import threading
from typing import Final

from lamina.errdefs import FailedPrecondition
from lamina.fs._secure_files import open_secure_file
from lamina.fs._syscalls import syncfs
from lamina.fs._write_errors import FULL_OR_READ_ONLY

_log = logging.getLogger(__name__)

BALLAST_BYTES: Final = 4 << 20
"""Bytes. To delete takes space first, before it gives any back: on btrfs, whatever is written is written anew."""
RETRY_SECONDS: Final = 10.0
"""How long a ballast that was given up waits before there may be room for it again."""


class Ballast:
    """A file that holds nothing but space. It is given up so that things can be deleted, and made again later.

    It helps nothing where space is promised that is not there: on file systems that are thinly provisioned, or
    that compress what fallocate(2) asks for (ZFS).
    """

    def __init__(self, path: str, size: int = BALLAST_BYTES) -> None:
        """Take the space, if it can be had.

        Args:
            path: The file, whose directory exists.
            size: Bytes.
        """
        self._path = path
        self._size = size
        self._mutex = threading.Lock()
        self._closed = threading.Event()
        self._maker: threading.Thread | None = None
        """Makes the ballast again. Guarded by `_mutex`."""
        if not self._make():
            self._make_later()

    def release(self) -> None:
        """Give the space back to the file system, which has it when this returns.

        Raises:
            OSError: The file system cannot do that.
        """
        with self._mutex:
            if os.path.exists(self._path):
                _log.warning("the disk is full: giving up the ballast", extra={"path": self._path})
                os.unlink(self._path)
            fd = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                syncfs(fd)  # a file system with a journal, or btrfs, keeps what was deleted until then
            finally:
                os.close(fd)
        self._make_later()

    def close(self) -> None:
        """Make it no more. The file stays. Closing twice does nothing."""
        self._closed.set()
        with self._mutex:
            maker = self._maker
        if maker is not None:
            maker.join()

    def _make_later(self) -> None:
        with self._mutex:
            if self._maker is None and not self._closed.is_set():
                self._maker = threading.Thread(target=self._work, name=f"ballast {self._path}", daemon=True)
                self._maker.start()

    def _work(self) -> None:
        while not self._closed.wait(RETRY_SECONDS):
            with self._mutex:
                if self._make():
                    self._maker = None
                    return

    def _make(self) -> bool:
        """Take the space if there is as much beside it; returns whether that need not be tried again.

        A ballast that took the very last space would be given up again at once.
        """
        try:
            fd = open_secure_file(self._path, os.O_RDWR | os.O_CREAT)
            try:
                if os.fstat(fd).st_blocks * 512 < self._size:
                    os.posix_fallocate(fd, 0, 2 * self._size)
                    os.ftruncate(fd, self._size)
            except OSError:
                os.unlink(self._path)
                raise
            finally:
                os.close(fd)
        except (OSError, FailedPrecondition) as error:
            if isinstance(error, OSError) and error.errno in FULL_OR_READ_ONLY:
                return False
            _log.warning("no space is kept for a full disk", exc_info=error, extra={"path": self._path})
        return True
