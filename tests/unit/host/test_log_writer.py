"""Log lines are written in order without blocking callers."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Iterator

import attrs
import pytest

from lamina.host import _log_writer, configure_logging
from lamina.host._log_writer import LogHandler

SECONDS = 60


@attrs.define
class Pipe:
    reading: int
    writing: int

    def fill(self) -> int:
        """Fill it up; how many bytes there were room for."""
        os.set_blocking(self.writing, False)
        count = 0
        for size in (1000, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    count += os.write(self.writing, b"." * size)
        os.set_blocking(self.writing, True)
        return count

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count and (more := os.read(self.reading, count - len(data))):
            data += more
        return data

    @contextlib.contextmanager
    def drained(self) -> Iterator[None]:
        """Read and discard everything during the block."""
        done = threading.Event()

        def drain() -> None:
            while not done.is_set():
                if select.select([self.reading], [], [], 0.01)[0]:
                    os.read(self.reading, 1 << 16)

        thread = threading.Thread(target=drain)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe(*os.pipe())
    yield pipe
    os.close(pipe.reading)  # waiting writers are notified
    os.close(pipe.writing)


@pytest.fixture
def handler(pipe) -> Iterator[LogHandler]:
    with os.fdopen(os.dup(pipe.writing), "w") as stream:
        handler = LogHandler(stream)
        yield handler
        with pipe.drained():  # else its thread may write to another file that gets the descriptor
            handler._writer.flush(SECONDS)
        handler.close()


def record(text: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("x", level, "x.py", 7, text, None, None)


def test_a_line_is_written_when_logging_returns(pipe, handler) -> None:
    handler.emit(record("first"))
    os.set_blocking(pipe.reading, False)
    assert os.read(pipe.reading, 100) == b"first\n"


def test_a_full_pipe_blocks_no_caller_and_preserves_order(pipe, handler) -> None:
    filled = pipe.fill()
    lines = [f"line {number}" for number in range(1000)]
    for line in lines:
        handler.emit(record(line))
    expected = "".join(f"{line}\n" for line in lines).encode()
    assert pipe.read(filled + len(expected))[filled:] == expected
    handler.flush()
    handler.emit(record("last"))
    assert pipe.read(5) == b"last\n"


def test_lines_beyond_the_buffer_are_dropped_and_counted_in_place(pipe, handler, monkeypatch) -> None:
    monkeypatch.setattr(_log_writer, "MAX_QUEUED_BYTES", 24)
    filled = pipe.fill()
    for number in range(10):
        handler.emit(record(f"line {number:6}"))  # 12 bytes
    handler.emit(record("a warning", logging.WARNING))
    notice = "dropped log lines: their reader is too slow\n"
    expected = f"line      0\nline      1\n{notice}a warning\n".encode()
    assert pipe.read(filled + len(expected))[filled:] == expected


def test_the_number_of_dropped_lines_is_logged_even_without_later_lines(pipe, handler, monkeypatch) -> None:
    monkeypatch.setattr(_log_writer, "MAX_QUEUED_BYTES", 10)
    handler.setFormatter(logging.Formatter("%(message)s %(lines)s", defaults={"lines": ""}))
    filled = pipe.fill()
    for _ in range(5):
        handler.emit(record("a line"))
    expected = b"a line \ndropped log lines: their reader is too slow 4\n"
    assert pipe.read(filled + len(expected))[filled:] == expected


def test_flush_does_not_wait_for_an_absent_reader(pipe, handler, monkeypatch) -> None:
    monkeypatch.setattr(_log_writer, "FLUSH_SECONDS", 0.05)
    pipe.fill()
    handler.emit(record("never read"))
    handler.flush()


def test_close_ends_the_thread_when_the_queue_is_written(pipe, handler) -> None:
    before = set(threading.enumerate())
    filled = pipe.fill()
    handler.emit(record("queued"))
    (thread,) = set(threading.enumerate()) - before
    handler.close()
    assert pipe.read(filled + 7)[filled:] == b"queued\n"
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_after_close_a_line_is_written_at_once_or_dropped(pipe, handler) -> None:
    handler.close()
    handler.emit(record("late"))
    assert pipe.read(5) == b"late\n"
    filled = pipe.fill()
    handler.emit(record("too late"))
    assert len(pipe.read(filled)) == filled
    handler.emit(record("last"))
    assert pipe.read(5) == b"last\n"


def test_a_record_that_cannot_be_formatted_is_logged_with_its_location(pipe, handler) -> None:
    handler.emit(logging.LogRecord("x", logging.INFO, "x.py", 7, "%d", ("no number",), None))
    assert os.read(pipe.reading, 100) == b"malformed log record from x.py:7\n"


def test_a_closed_reader_affects_no_caller() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        LogHandler(stream).emit(record("nobody"))


def test_a_stream_without_a_descriptor_is_written_to() -> None:
    stream = io.StringIO()
    LogHandler(stream).emit(record("text"))
    assert stream.getvalue() == "text\n"


def test_reconfiguring_keeps_pending_lines(monkeypatch) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    stream = io.StringIO()
    configure_logging("info", "text", stream)
    (before,) = logging.root.handlers
    configure_logging("debug", "json", stream)
    assert logging.root.handlers == [before]


def test_a_process_with_unread_standard_error_runs_and_ends() -> None:
    program = (
        "import logging, threading, lamina.host\n"
        f"lamina.host._log_writer.FLUSH_SECONDS = {SECONDS}\n"
        "lamina.host.configure_logging('debug', 'text')\n"
        "def work():\n"
        "    for number in range(5000): logging.debug('x' * 500)\n"
        "threads = [threading.Thread(target=work) for _ in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "logging.error('the last one')\n"
        "print('done', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "done\n"  # nothing was read of the other
        _, stderr = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()
    lines = stderr.splitlines()
    dropped = sum(
        int(found[1]) for line in lines if (found := re.search(r"their reader is too slow\" lines=(\d+)", line))
    )
    written = sum(" level=debug " in line for line in lines)
    assert dropped
    assert written + dropped == 20_000
    assert "the last one" in lines[-1]
