"""Commands with closed standard streams work and end normally."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.requires("root", "overlay")

PROGRAM = Path(sys.executable).with_name("lamina")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["plugins ls", "snapshots ls", "snapshots tree", "snapshots usage"])
def test_a_closed_stdout_does_not_fail_a_listing(lamina, layer, words, closed):
    layer("base")
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" {words} {closed}', PROGRAM],
        env=lamina.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if ">&-" in closed.replace("2>&-", "") else lamina(*words.split()))


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stdout_does_not_fail_a_completed_operation(lamina, snapshotter, closed):
    command = ["sh", "-c", f'exec "$0" snapshots prepare key {closed}', PROGRAM]
    done = subprocess.run(command, env=lamina.environment(), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert [info.name for info in snapshotter.walk()] == ["key"]
