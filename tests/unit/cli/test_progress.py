"""Progress is shown on terminals, and only for long operations."""

import contextlib
import io
import os
import pty
import select
import subprocess
import sys

import pytest

from lamina.cli.terminal.progress import byte_progress, progress

COUNT_LINES = """
import sys
from lamina.cli.terminal.progress import progress
print(sum(1 for line in progress(sys.stdin, "snapshots", 3)))
"""

COUNT_BYTES = """
import sys
from lamina.cli.terminal.progress import byte_progress
with byte_progress("comparing", "read") as report:
    for line in sys.stdin:
        report(int(line))
"""


def read_until(descriptor, text):
    shown = b""
    while text not in shown:
        assert select.select([descriptor], [], [], 60)[0], shown
        shown += os.read(descriptor, 4096)  # EIO where the program ended without
    return shown


def test_no_progress_is_shown_in_a_pipe():
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        assert list(progress(range(3), "snapshots")) == [0, 1, 2]
    assert stderr.getvalue() == ""


def test_a_terminal_shows_the_progress_of_long_operations():
    terminal, theirs = pty.openpty()
    with (
        open(terminal, "rb", buffering=0),
        open(theirs, "wb", buffering=0) as stderr,
        subprocess.Popen(
            [sys.executable, "-c", COUNT_LINES],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "TERM": "xterm"},
        ) as process,
    ):
        process.stdin.write(b"one\ntwo\n")
        process.stdin.flush()
        read_until(terminal, b"2 of 3 snapshots")
        output, _ = process.communicate(b"three\n", timeout=60)
        assert (process.returncode, output) == (0, b"3\n")
        assert b"\x1b[2K" in read_until(terminal, b"\x1b[?25h")  # the line erased, the cursor back


def test_an_error_of_the_items_propagates():
    def fail():
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(progress(fail(), "snapshots"))


def test_a_terminal_shows_the_bytes_of_long_operations():
    """And before the first ones, what is going on."""
    terminal, theirs = pty.openpty()
    with (
        open(terminal, "rb", buffering=0),
        open(theirs, "wb", buffering=0) as stderr,
        subprocess.Popen(
            [sys.executable, "-c", COUNT_BYTES],
            stdin=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "TERM": "xterm"},
        ) as process,
    ):
        read_until(terminal, b"comparing")
        process.stdin.write(b"2048\n")
        process.stdin.flush()
        read_until(terminal, b"2.0 KiB read")
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_no_bytes_are_shown_in_a_pipe():
    with contextlib.redirect_stderr(io.StringIO()) as stderr, byte_progress("comparing", "read") as report:
        report(1)
    assert stderr.getvalue() == ""
