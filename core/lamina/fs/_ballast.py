"""A ballast file, deleted to free space on a full file system."""

from __future__ import annotations

import logging
import os
import threading
from typing import Final

from lamina.errdefs import FailedPrecondition
from lamina.fs._descriptor import opened
from lamina.fs._safe_open import open_secure_file
from lamina.fs._syscalls import syncfs
from lamina.fs._write_errors import FULL_OR_READ_ONLY

_log = logging.getLogger(__name__)

BALLAST_BYTES: Final = 4 << 20
"""Default size. Deletions need space before they free any, above all on copy-on-write file systems (btrfs)."""
RETRY_SECONDS: Final = 10.0
"""Interval of the attempts to recreate a released ballast."""


class Ballast:
    """A file that reserves space. It is deleted to make other deletions possible, and recreated later.

    It is of no use on file systems that do not reserve what fallocate(2) allocates: thinly provisioned ones, and
    those that compress it (ZFS).
    """

    def __init__(self, path: str, size: int = BALLAST_BYTES) -> None:
        """Reserve the space, now or as soon as it is available.

        Args:
            path: The ballast file, in an existing directory.
            size: Bytes to reserve.
        """
        self._path = path
        self._size = size
        self._mutex = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        """Recreates the ballast. Guarded by `_mutex`."""
        if not self._create():
            self._start_thread()

    def release(self) -> None:
        """Delete the file; its space is available on return.

        Raises:
            OSError: The file cannot be deleted or the file system cannot be synced.
        """
        with self._mutex:
            if os.path.exists(self._path):
                _log.warning("the disk is full: releasing the ballast", extra={"path": self._path})
                os.unlink(self._path)
            with opened(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as fd:
                syncfs(fd)  # btrfs and journaling file systems free deleted blocks only then
        self._start_thread()

    def close(self) -> None:
        """Stop recreating the file, and keep it if it exists. Closing twice does nothing."""
        self._closed.set()
        with self._mutex:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start_thread(self) -> None:
        with self._mutex:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._recreate, name=f"ballast {self._path}", daemon=True)
                self._thread.start()

    def _recreate(self) -> None:
        while not self._closed.wait(RETRY_SECONDS):
            with self._mutex:
                if self._create():
                    self._thread = None
                    return

    def _create(self) -> bool:
        """Reserve the space if twice as much is free; return False to try again later.

        A ballast that took the last free space would be released again at once.
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
            _log.warning(
                "cannot create the ballast: deletions may fail on a full disk",
                exc_info=error,
                extra={"path": self._path},
            )
        return True
