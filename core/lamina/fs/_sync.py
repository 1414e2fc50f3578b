"""Making a file system durable, once for all who ask at the same time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import attrs

from lamina.errdefs import Aborted, Error, FailedPrecondition, from_os_error
from lamina.fs._syscalls import syncfs


@attrs.define(eq=False)
class _Round:
    """One syncfs, and those who wait for it."""

    done: threading.Event = attrs.field(factory=threading.Event)
    error: Error | None = attrs.field(factory=lambda: Aborted("the thread that was to sync was interrupted"))


class FileSystemSync:
    """syncfs(2) on the file system of a directory. Any thread may call any method.

    A call that finds a syncfs under way cannot use that one, which may have passed over what the caller wrote. It
    waits for the next one, together with everybody else who comes until that one begins.
    """

    def __init__(self, path: str, syncfs: Callable[[int], None] = syncfs) -> None:
        """Open the directory.

        Args:
            path: The directory.
            syncfs: Makes the file system of a file descriptor durable, or raises OSError.

        Raises:
            NotFound: It does not exist.
        """
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise from_os_error(error, "open a directory to sync") from error
        self._path = path
        self._syncfs = syncfs
        self._lock = threading.Lock()
        self._next: _Round | None = None
        """The round that has not begun; who makes it runs it. Guarded by `_lock`."""
        self._turn = threading.Lock()
        """Held while a syncfs runs; guards `_fd`. Taken before `_lock`."""

    def sync(self) -> None:
        """Return when all that was written to the file system before the call is durable.

        Raises:
            DataLoss: The disk failed; also where what failed to be written was somebody else's.
            ResourceExhausted: There was no space for what had been written.
            FailedPrecondition: It is closed.
            Aborted: The thread that was to sync for all was interrupted.
        """
        with self._lock:
            leads = self._next is None
            round_ = self._next = self._next or _Round()
        if leads:
            self._run(round_)
        round_.done.wait()
        if round_.error is not None:
            # A copy, since each waiter's traceback is its own.
            raise type(round_.error)(str(round_.error)) from round_.error

    def close(self) -> None:
        """Close the directory, when a syncfs that is under way is done. Calling it again does nothing."""
        with self._turn:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _run(self, round_: _Round) -> None:
        try:
            with self._turn:
                with self._lock:
                    self._next = None
                round_.error = self._sync_now()
        finally:
            # Also when interrupted on the way here: nobody may wait for, or join, a round without a leader.
            with self._lock:
                if self._next is round_:
                    self._next = None
            round_.done.set()

    def _sync_now(self) -> Error | None:
        if self._fd < 0:
            return FailedPrecondition(f"sync a file system: {self._path}: it was closed")
        try:
            self._syncfs(self._fd)
        except OSError as error:
            return from_os_error(OSError(error.errno, error.strerror, self._path), "sync a file system")
        return None


def sync_directory(path: str) -> None:
    """Make the names in a directory durable: fsync(2) of a file alone need not do that for its name.

    Args:
        path: The directory.

    Raises:
        OSError: It cannot be opened or synced.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
