"""Writes log lines without waiting for their reader."""

from __future__ import annotations

import collections
import contextlib
import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

MAX_QUEUED_BYTES: Final = 1 << 20
"""Maximum bytes of queued lines; twice as many for warnings and errors. Further lines are dropped."""
FLUSH_SECONDS: Final = 2.0
"""Seconds that the end of the process waits for queued lines to be written."""

_CANNOT_NOW: Final = (errno.EAGAIN, errno.EOPNOTSUPP)
"""Errors of pwritev2(2) with RWF_NOWAIT: it would block; the file does not support the flag."""


class LogHandler(logging.Handler):
    """Writes each record as one line, in order, without blocking on a full pipe.

    A line that cannot be written immediately is queued for a thread. If the queue is full, the line is dropped,
    and a line in its place says how many were. The limit is higher for warnings and errors.
    """

    def __init__(self, stream: TextIO) -> None:
        """Create a handler for a stream. A stream with a file descriptor is written without its buffer."""
        super().__init__()
        self.stream = stream
        self._writer = Writer(_target(stream), self._notice)

    def emit(self, record: logging.LogRecord) -> None:
        """Write or queue a record."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - arguments may not match the message, and fields may fail to format
            where = f"{record.pathname}:{record.lineno}"
            line = self.format(_record(logging.ERROR, f"malformed log record from {where}"))
        severe = record.levelno >= logging.WARNING
        self._writer.write(_encoded(line), 2 * MAX_QUEUED_BYTES if severe else MAX_QUEUED_BYTES)

    def flush(self) -> None:
        """Wait until all queued lines are written, up to a deadline."""
        self._writer.flush(FLUSH_SECONDS)

    def close(self) -> None:
        """End the thread once it has written the queue. `flush` waits for that.

        Once the thread has ended, a line is written if that does not block, else dropped.
        """
        self._writer.close()
        super().close()

    def _notice(self, dropped: int) -> bytes:
        record = _record(logging.WARNING, "dropped log lines: their reader is too slow")
        record.lines = dropped
        return _encoded(self.format(record))


def _record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, level, __file__, 0, message, None, None)


def _encoded(line: str) -> bytes:
    return f"{line}\n".encode(errors="backslashreplace")


Write = Callable[[bytes], int]
"""Writes some of the bytes and returns their number."""


class Target:
    """The destination of lines."""

    def __init__(self, now: Write, waiting: Write) -> None:
        """Create a target from two functions.

        Args:
            now: Writes as much as possible without blocking.
            waiting: Blocks until something was written.
        """
        self.now = now
        self.waiting = waiting


def _target(stream: TextIO) -> Target:
    """Return the target of a stream. Regular files and streams without descriptor never block."""
    try:
        fd = stream.fileno()
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
    except (OSError, ValueError):  # io.UnsupportedOperation is both

        def write(data: bytes) -> int:
            stream.write(data.decode())
            stream.flush()
            return len(data)

        return Target(write, write)

    def wait(data: bytes) -> int:
        return os.write(fd, data)

    def now(data: bytes) -> int:
        try:
            return os.pwritev(fd, [data], -1, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno in _CANNOT_NOW:
                return 0
            raise

    return Target(wait if regular else now, wait)


class Writer:
    """Writes lines in order, immediately if that does not block. Thread-safe."""

    def __init__(self, target: Target, notice: Callable[[int], bytes]) -> None:
        """Create a writer. Its thread starts when a line is queued for the first time.

        Args:
            target: The destination.
            notice: Returns the line that reports a number of dropped lines.
        """
        self._target = target
        self._notice = notice
        self._queue: collections.deque[bytes] = collections.deque()
        self._bytes = 0
        self._dropped = 0
        """Number of lines dropped after the last queued one."""
        self._thread: threading.Thread | None = None
        self._closed = False
        self._changed = threading.Condition()
        """Guards the attributes above."""

    def write(self, line: bytes, limit: int) -> None:
        """Write, queue or drop a line. A line that the target refuses is lost, since it cannot be reported.

        Args:
            line: The line.
            limit: Maximum bytes of queued lines, this one included.
        """
        with self._changed:
            if not self._queue:
                line = self._write_now(line)
            if not line:
                return
            if self._bytes + len(line) > limit or not self._has_thread():
                self._dropped += 1
                return
            self._tell_dropped()
            self._add(line)

    def flush(self, seconds: float) -> None:
        """Wait until the queue is empty, or this time has passed."""
        latest = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: not self._queue, max(0.0, latest - time.monotonic()))

    def close(self) -> None:
        """End the thread once it has written the queue. Without it, lines are written immediately or dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _write_now(self, line: bytes) -> bytes:
        """Write as much of a line as possible; return the rest."""
        try:
            return line[self._target.now(line) :]
        except OSError:
            return b""

    def _has_thread(self) -> bool:
        if self._thread is None and not self._closed:
            thread = threading.Thread(target=self._run, name="log", daemon=True)
            with contextlib.suppress(RuntimeError):  # no thread can be started; the next line tries again
                thread.start()
                self._thread = thread
        return self._thread is not None

    def _add(self, line: bytes) -> None:
        self._queue.append(line)
        self._bytes += len(line)
        self._changed.notify_all()

    def _tell_dropped(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._add(self._notice(dropped))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    self._thread = None
                    return
                line = self._queue[0]
            self._write_all(line)
            with self._changed:
                self._queue.popleft()
                self._bytes -= len(line)
                if not self._queue:
                    self._tell_dropped()
                self._changed.notify_all()

    def _write_all(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # the target is closed, so the error cannot be reported
            while line:
                line = line[self._target.waiting(line) :]
