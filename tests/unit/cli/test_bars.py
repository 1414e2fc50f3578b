"""Progress bars are shown on terminals, and only for long work."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import select
import subprocess
import sys

import pytest

from lamina.cli.terminal.bars import Bars, _Display
from lamina.images import Progress
from tests.support.waiting import wait_until

DIGEST = f"sha256:{'0123456789abcdef' * 4}"

REPORT_LINES = f"""
import sys
from lamina.cli.terminal.bars import Bars
from lamina.images import Progress
with Bars() as bars:
    for line in sys.stdin:
        bars.report(Progress({DIGEST!r}, "unpack", int(line), 3 << 20))
print("done")
"""


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every output is taken for a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")


def test_no_bar_is_shown_in_a_pipe() -> None:
    with contextlib.redirect_stderr(io.StringIO()) as stderr, Bars() as bars:
        bars.report(Progress(DIGEST, "import", 1, 2))
    assert stderr.getvalue() == ""


def test_a_terminal_shows_a_bar_for_each_blob_until_it_is_finished() -> None:
    terminal, theirs = pty.openpty()
    shown = bytearray()
    with (
        open(terminal, "rb", buffering=0),
        open(theirs, "wb", buffering=0) as stderr,
        subprocess.Popen(
            [sys.executable, "-c", REPORT_LINES],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        ) as process,
    ):
        assert process.stdin

        def report_again() -> bool:
            """Bars appear with the first report after a while."""
            process.stdin.write(f"{1 << 20}\n".encode())
            process.stdin.flush()
            while select.select([terminal], [], [], 0)[0]:
                shown.extend(os.read(terminal, 4096))
            return b"unpack 0123456789ab" in shown and b"1.0 MiB of 3.0 MiB" in shown

        wait_until(report_again, 60, "a progress bar")
        output, _ = process.communicate(f"{3 << 20}\n".encode(), timeout=60)
        assert (process.returncode, output) == (0, b"done\n")
        while b"\x1b[?25h" not in shown:  # the cursor is back
            assert select.select([terminal], [], [], 60)[0]
            shown.extend(os.read(terminal, 4096))


@pytest.mark.usefixtures("colours")
def test_a_key_is_shown_as_it_is_and_controls_no_terminal() -> None:
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        display = _Display()
        display.update(Progress("[/x]\x1b]0;a", "commit", 1, 0))
        display.close()
    assert "[/x]\\x1b]0;a" in stderr.getvalue()
