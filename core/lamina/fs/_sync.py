"""Making a file system durable, once for all who ask at the same time."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from lamina.context import current
from lamina.errdefs import DataLoss, Error, FailedPrecondition, ResourceExhausted, from_os_error
from lamina.fs._syscalls import syncfs


class FileSystemSync:
    """syncfs(2) on the file system of a directory. Any thread may call any method.

    A call that finds a syncfs under way cannot use that one, which may have passed over what the caller wrote. It
    waits for the next one, together with everybody else who comes until that one begins. A thread of its own runs
    them, since nobody can give up a system call.

    A syncfs that fails has dropped what could not be written, and the next one does not tell of it again: a caller
    asks `failures` before it writes and after its sync, or remembers what `on_failure` tells.
    """

    def __init__(
        self,
        path: str,
        syncfs: Callable[[int], None] = syncfs,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the directory.

        Args:
            path: The directory.
            syncfs: Makes the file system of a file descriptor durable, or raises OSError.
            on_failure: Called when a syncfs has failed, before another one begins. It must not raise.

        Raises:
            NotFound: It does not exist.
        """
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise from_os_error(error, "open a directory to sync") from error
        self._path = path
        self._syncfs = syncfs
        self._on_failure = on_failure
        self.failures = 0
        """How many syncfs have failed. Counted before another one begins."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sync {path}")
        """Started by the first call; ends with `close`."""
        self._lock = threading.Lock()
        self._next: Future[None] | None = None
        """The syncfs that is to come and has not begun. Guarded by `_lock`."""
        self._closed = False
        """Guarded by `_lock`."""

    def sync(self) -> None:
        """Return when all that was written to the file system before the call is durable.

        Raises:
            DataLoss: The disk failed; also where what failed to be written was somebody else's.
            ResourceExhausted: There was no space for what had been written, which is dropped.
            FailedPrecondition: It is closed.
            Canceled, DeadlineExceeded: The call at hand is no longer wanted. The syncfs goes on for the others.
        """
        call = current()
        call.check()
        round_ = self._join()
        woken: queue.SimpleQueue[object] = queue.SimpleQueue()
        round_.add_done_callback(woken.put)
        unregister = call.on_cancel(lambda: woken.put(call))
        try:
            while not round_.done():
                call.check()
                with contextlib.suppress(queue.Empty):
                    woken.get(timeout=call.remaining())
        finally:
            unregister()
        error = round_.exception()
        if error is not None:
            # A copy, since each waiter's traceback is its own.
            raise type(error)(str(error)) from error

    def close(self) -> None:
        """Close the directory when all that was asked for is done. Calling it again does nothing."""
        with self._lock:
            self._closed = True
        self._thread.shutdown()
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _join(self) -> Future[None]:
        with self._lock:
            if self._closed:
                raise FailedPrecondition(f"sync a file system: {self._path}: it was closed")
            if self._next is None:
                self._next = self._thread.submit(self._run)
            return self._next

    def _run(self) -> None:
        with self._lock:
            self._next = None  # whoever comes from now on is too late for this one
        try:
            self._syncfs(self._fd)
            _check_writable(self._fd)
        except OSError as error:
            self.failures += 1
            self._on_failure()
            raise _failure(OSError(error.errno, error.strerror, self._path)) from error


def _failure(error: OSError) -> Error:
    failure = from_os_error(error, "sync a file system")
    return failure if isinstance(failure, ResourceExhausted) else DataLoss(str(failure))


def _check_writable(fd: int) -> None:
    """Check that the file system has not given up writing after an error.

    A syncfs does nothing on a file system that is read-only, and succeeds (fs/sync.c, sync_filesystem): also where
    it became so since a transaction of its own could not be written, as btrfs and ext4 do.
    """
    if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


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
