"""Where removed data waits for its deletion."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import threading
import uuid
from collections.abc import Callable
from typing import Final

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DeadlineExceeded, Error, FailedPrecondition
from lamina.fs import SecureDirectory

_log = logging.getLogger(__name__)

NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
"""The errors of a full file system (open(2))."""
SHOWN: Final = 3
"""How many failures a message shows."""
_FIRST_SECONDS: Final = 0.2
"""How long what an earlier process left waits: the host that is starting has enough to do."""
_DELAY: Final = 0.05
"""Seconds for which removals are collected: to wake the thread and read the directory for each costs too much."""


class Trash:
    """A directory whose entries are deleted by a thread in the background.

    Moving something there is one rename, however large it is. What is left of an earlier process goes as well.
    """

    def __init__(self, directory: SecureDirectory, destroy: Callable[[str], None]) -> None:
        """Take over a directory. Nothing is deleted before `start`.

        Args:
            directory: The directory, on the file system of what is put there. The caller closes it after this.
            destroy: Deletes one directory, given its path.
        """
        self._path = directory.path
        self._directory = directory
        self._destroy = destroy
        self._mark = uuid.uuid4().hex
        """Makes names new: what another process put there may not be deleted yet."""
        self._numbers = itertools.count()
        self._emptying = threading.Lock()
        self._context = CallContext()
        self._filled = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, first: Callable[[], None]) -> None:
        """Start the thread. It begins with the first removal, or a moment later.

        Args:
            first: What it does before it deletes anything.
        """
        self._thread = threading.Thread(target=self._work, args=(first,), name=f"trash {self._path}", daemon=True)
        self._thread.start()

    def put(self, source: SecureDirectory, name: str) -> None:
        """Move a file or directory to the trash. Nothing happens where it does not exist.

        Where there is no space even for that, it is deleted where it is, before this returns.

        Args:
            source: The directory that it is in.
            name: Its name there.

        Raises:
            OSError: It cannot be moved.
            Error: It cannot be deleted, or the call is no longer wanted.
        """
        new_name = f"{name}-{self._mark}-{next(self._numbers)}"
        try:
            os.rename(name, new_name, src_dir_fd=source.fd, dst_dir_fd=self._directory.fd)
        except FileNotFoundError:
            if source.has(name):
                raise
            return
        except OSError as error:
            # A copy-on-write file system that is full refuses a rename, while it keeps some space for deletions.
            if error.errno not in NO_SPACE:
                raise
            self._delete(source, name)
            return
        if not self._filled.is_set():  # to set it again takes a lock
            self._filled.set()

    def empty(self) -> None:
        """Delete all that is in the trash now, and return when it is gone.

        Raises:
            FailedPrecondition: Some entries could not be deleted. The others are gone.
        """
        failures: list[Exception] = []
        with self._emptying:
            for name in list(self._directory.names()):
                try:
                    self._delete(self._directory, name)
                except (Canceled, DeadlineExceeded):
                    raise
                except (Error, OSError) as error:
                    failures.append(error)
        if failures:
            reasons = "; ".join(str(failure) for failure in failures[:SHOWN])
            raise FailedPrecondition(
                f"{len(failures)} removed snapshots in {self._path} could not be deleted: {reasons}"
            ) from failures[0]

    def _delete(self, directory: SecureDirectory, name: str) -> None:
        """Delete an entry. `destroy`, which works by path, never meets a link that it could follow."""
        try:
            os.unlink(name, dir_fd=directory.fd)
        except IsADirectoryError:
            self._destroy(directory.path_of(name))
        except FileNotFoundError:
            return

    def _work(self, first: Callable[[], None]) -> None:
        self._filled.wait(_FIRST_SECONDS)
        with use(self._context):
            first()
            while True:
                self._filled.clear()
                if self._context.cancelled:
                    return
                try:
                    self.empty()
                except Canceled:
                    return
                except (Error, OSError) as error:
                    _log.warning("will try again with the next removal: %s", error)
                self._filled.wait()
                self._closed.wait(_DELAY)

    def close(self) -> None:
        """Stop deleting; what is left is deleted by the next process. Closing twice does nothing."""
        self._context.cancel()
        self._closed.set()
        self._filled.set()
        if self._thread is not None:
            self._thread.join()
