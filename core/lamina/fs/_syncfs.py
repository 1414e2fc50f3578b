"""Sync file systems. Concurrent callers share one syncfs(2)."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from lamina.context import current
from lamina.errdefs import DataLoss, Error, FailedPrecondition, ResourceExhausted, from_os_error, translated
from lamina.fs._durability import check_writable
from lamina.fs._syscalls import syncfs


class FileSystemSync:
    """Runs syncfs(2) on the file system of a directory. All methods are thread-safe.

    A syncfs that is already running may miss the latest writes of a caller. The caller therefore waits for the
    next one, together with all callers that arrive before that one begins. A separate thread runs the system
    calls, which cannot be cancelled.

    The kernel drops data that a failed syncfs could not write, and the next syncfs does not report it again.
    Callers compare `failures` before they write and after they sync, or record failures in `on_failure`.
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
            syncfs: Syncs the file system of a descriptor, or raises OSError.
            on_failure: Called after a failed syncfs, before the next one begins. It must not raise.

        Raises:
            NotFound: The directory does not exist.
        """
        with translated("open a directory to sync"):
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._path = path
        self._syncfs = syncfs
        self._on_failure = on_failure
        self.failures = 0
        """The number of failed syncfs, updated before the next one begins."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sync {path}")
        """Starts with the first call and ends with `close`."""
        self._lock = threading.Lock()
        self._next: Future[None] | None = None
        """The syncfs that is requested and has not begun. Guarded by `_lock`."""
        self._closed = False
        """Guarded by `_lock`."""

    def sync(self) -> None:
        """Wait until everything written to the file system before the call is durable.

        Raises:
            DataLoss: The disk failed. The lost data may be another writer's.
            ResourceExhausted: The disk was full, and the kernel dropped data that did not fit.
            FailedPrecondition: `close` was called.
            Canceled, DeadlineExceeded: The current call ended. The syncfs continues for the other callers.
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
            # A copy, because each waiter adds its own traceback.
            raise type(error)(str(error)) from error

    def close(self) -> None:
        """Wait for the requested syncs and close the directory. Closing twice does nothing."""
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
                raise FailedPrecondition(f"sync a file system: {self._path}: already closed")
            if self._next is None or self._next.done():  # done: it failed before it began, for lack of memory
                self._next = self._thread.submit(self._run)
            return self._next

    def _run(self) -> None:
        with self._lock:
            self._next = None  # later callers need another syncfs
        try:
            self._syncfs(self._fd)
            check_writable(self._fd)
        except OSError as error:
            self.failures += 1
            self._on_failure()
            raise _failure(OSError(error.errno, error.strerror, self._path)) from error


def _failure(error: OSError) -> Error:
    failure = from_os_error(error, "sync a file system")
    return failure if isinstance(failure, ResourceExhausted) else DataLoss(str(failure))
