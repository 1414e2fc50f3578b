"""Writing log lines without waiting for the one who reads them."""

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

WAITING_BYTES: Final = 1 << 20
"""Bytes of lines that may wait for a reader; twice as many, for warnings and errors. Later ones are dropped."""
FLUSH_SECONDS: Final = 2.0
"""How long the end of the process waits until they are written."""

_CANNOT_NOW: Final = (errno.EAGAIN, errno.EOPNOTSUPP)
"""pwritev2(2) with RWF_NOWAIT: it would wait; the file cannot tell."""


class LogHandler(logging.Handler):
    """Writes each record as one line, in order. No call waits for a pipe that is full.

    A line that cannot be written at once waits for a thread that does nothing else. One that finds no room there
    is dropped, and a line in its place says how many were. Warnings and errors find room where others do not.
    """

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream, past its buffer where it has a descriptor."""
        super().__init__()
        self.stream = stream
        self._writer = Writer(_target(stream), self._notice)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or have it written."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - arguments that do not fit their message, or a field without a text
            where = f"{record.pathname}:{record.lineno}"
            line = self.format(_record(logging.ERROR, f"malformed log record from {where}"))
        severe = record.levelno >= logging.WARNING
        self._writer.write(_encoded(line), 2 * WAITING_BYTES if severe else WAITING_BYTES)

    def flush(self) -> None:
        """Wait until everything is written, but not for a reader who does not come."""
        self._writer.flush(FLUSH_SECONDS)

    def _notice(self, dropped: int) -> bytes:
        record = _record(logging.WARNING, "dropped log lines that nobody read")
        record.lines = dropped
        return _encoded(self.format(record))


def _record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord(__name__, level, __file__, 0, message, None, None)


def _encoded(line: str) -> bytes:
    return f"{line}\n".encode(errors="backslashreplace")


Write = Callable[[bytes], int]
"""Writes some of the bytes, and returns how many."""


class Target:
    """Where lines go."""

    def __init__(self, now: Write, waiting: Write) -> None:
        """Name the two ways.

        Args:
            now: Writes what can be written without waiting.
            waiting: Waits until something can be written.
        """
        self.now = now
        self.waiting = waiting


def _target(stream: TextIO) -> Target:
    """A stream as a target. Regular files, and what has no descriptor, take everything at once."""
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
    """Writes lines in order, at once where that waits for nobody. Any thread may call any method."""

    def __init__(self, target: Target, notice: Callable[[int], bytes]) -> None:
        """Make a writer. Its thread starts when it is first needed.

        Args:
            target: Where to.
            notice: The line that says how many were dropped.
        """
        self._target = target
        self._notice = notice
        self._waiting: collections.deque[bytes] = collections.deque()
        self._bytes = 0
        self._dropped = 0
        """Lines after the last one that waits."""
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        """Guards all of these."""

    def write(self, line: bytes, limit: int) -> None:
        """Write a line, have it written, or drop it. What the target refuses is lost: nobody could be told.

        Args:
            line: The line.
            limit: Bytes that may wait, with it.
        """
        with self._changed:
            if not self._waiting:
                line = self._write_now(line)
            if not line:
                return
            if self._bytes + len(line) > limit or not self._has_thread():
                self._dropped += 1
                return
            self._tell_dropped()
            self._add(line)

    def flush(self, seconds: float) -> None:
        """Wait until nothing waits any more, but only so long."""
        latest = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, max(0.0, latest - time.monotonic()))

    def _write_now(self, line: bytes) -> bytes:
        """The rest that cannot be written now."""
        try:
            return line[self._target.now(line) :]
        except OSError:
            return b""

    def _has_thread(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="log", daemon=True)
            with contextlib.suppress(RuntimeError):  # there is none to be had, perhaps with the next line
                thread.start()
                self._thread = thread
        return self._thread is not None

    def _add(self, line: bytes) -> None:
        self._waiting.append(line)
        self._bytes += len(line)
        self._changed.notify_all()

    def _tell_dropped(self) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._add(self._notice(dropped))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                line = self._waiting[0]
            self._write_all(line)
            with self._changed:
                self._waiting.popleft()
                self._bytes -= len(line)
                if not self._waiting:
                    self._tell_dropped()
                self._changed.notify_all()

    def _write_all(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # it is closed: nobody could be told
            while line:
                line = line[self._target.waiting(line) :]
