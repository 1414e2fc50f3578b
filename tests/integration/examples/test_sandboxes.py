"""The sandboxes example removes its sandboxes however they end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import leftovers
from tests.support.waiting import wait_until

SANDBOXES = Path(__file__).parents[3] / "examples/sandboxes.py"
SECONDS = 60

pytestmark = pytest.mark.requires("root", "overlay", "busybox-static")


def start(directory: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    command = (sys.executable, SANDBOXES, directory, *arguments)
    # Mount points in this directory can be checked afterwards.
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(directory.parent)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def outputs(printed: str) -> dict[int, tuple[int, str]]:
    """Parse the exit code and output of each sandbox, by number."""
    parts = re.split(r"^sandbox (\d+): exit code (-?\d+), \d+ bytes written\n", printed, flags=re.MULTILINE)[1:]
    return {int(parts[i]): (int(parts[i + 1]), parts[i + 2]) for i in range(0, len(parts), 3)}


def run(directory: Path, *arguments: str | Path) -> tuple[int, dict[int, tuple[int, str]], str]:
    """Return the exit code, the results of the sandboxes, and standard error."""
    with start(directory, *arguments) as process:
        stdout, stderr = process.communicate(timeout=SECONDS)
    return process.returncode, outputs(stdout), stderr


def left(directory: Path) -> list[str]:
    """Return mount points, and data of snapshots other than the base."""
    mount_points = [path.name for path in directory.parent.glob("lamina-mount*")]
    snapshots = os.listdir(directory / "root/io.containerd.snapshotter.v1.overlayfs/snapshots")
    return mount_points + snapshots[1:]


def test_each_sandbox_has_its_own_tree_and_is_removed(tmp_path: Path) -> None:
    """With the command in the docstring of the example."""
    directory = tmp_path / "sandboxes"
    shown = re.search(r"/var/tmp/sandboxes -n 8 -- sh -c '(.*)'", SANDBOXES.read_text())
    assert shown
    for _ in range(2):
        code, found, _ = run(directory, "-n", "8", "--", "sh", "-c", f"ls /file 2>&1; {shown[1]}")
        assert code == 0
        assert found == {number: (0, f"ls: /file: No such file or directory\n{number}\n") for number in range(8)}
        assert left(directory) == []


def test_a_failing_command_is_reported_and_its_sandbox_removed(tmp_path: Path) -> None:
    directory = tmp_path / "sandboxes"
    code, found, _ = run(directory, "-n", "3", "--", "sh", "-c", "exit $SANDBOX")
    assert (code, found) == (1, {0: (0, ""), 1: (1, ""), 2: (2, "")})
    code, found, _ = run(directory, "-n", "1", "--", "absent")
    assert (code, found) == (1, {0: (127, "unshare: failed to execute absent: No such file or directory\n")})
    assert left(directory) == []


def test_background_processes_end_with_their_command(tmp_path: Path) -> None:
    directory = tmp_path / "sandboxes"
    code, _, stderr = run(directory, "--", "sh", "-c", "setsid sleep 1000 < / & setsid sleep 1000 < / & exit 0")
    assert (code, stderr) == (0, "")
    assert left(directory) == []


def test_the_base_may_be_any_tree(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin/busybox").write_bytes(Path("/bin/busybox").read_bytes())
    (tree / "bin/busybox").chmod(0o755)
    (tree / "mine").write_text("mine\n")
    os.chown(tree / "mine", 12, 34)
    command = ("/bin/busybox", "stat", "-c", "%n %u %g", "mine")
    _, found, _ = run(tmp_path / "sandboxes", "-n", "1", "--base", tree, "--", *command)
    assert found == {0: (0, "mine 12 34\n")}


@contextlib.contextmanager
def one_unfinished(process: subprocess.Popen[str]) -> Iterator[None]:
    """Keep the output of one of the sandboxes open during the block, so that the process does not end."""
    sandbox = min(pid for pid in leftovers.children_of(process.pid) if name_of(pid) == "unshare")
    with open(f"/proc/{sandbox}/fd/1", "wb"):
        yield


def name_of(pid: int) -> str:
    """Return the name of a process (proc_pid_comm(5))."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


@pytest.mark.parametrize("impatient", [False, True])
def test_an_interrupt_ends_all_and_leaves_nothing(tmp_path: Path, impatient: bool) -> None:
    directory = tmp_path / "sandboxes"
    with start(directory, "-n", "4", "--", "sh", "-c", "echo $SANDBOX > running; sleep 1000 < /") as process:
        try:
            written = "root/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs/running"
            wait_until(lambda: len(list(directory.glob(written))) == 4, SECONDS, "all sandboxes to run")
            with one_unfinished(process) if impatient else contextlib.nullcontext():
                process.send_signal(signal.SIGINT)
                if impatient:
                    assert process.stdout
                    assert ": exit code -9," in process.stdout.readline()
                    process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert (process.returncode, stderr) == (1, "sandboxes: KeyboardInterrupt: \n")
    assert left(directory) == []


def test_the_next_run_removes_sandboxes_of_a_killed_one(tmp_path: Path) -> None:
    directory = tmp_path / "sandboxes"
    with start(directory, "-n", "1", "--", "true") as process:
        process.communicate(timeout=SECONDS)
    program = """
import os, sys
from lamina.host import Host
with Host.from_config({"root": f"{sys.argv[1]}/root", "state": f"{sys.argv[1]}/state"}) as host:
    host.get("io.containerd.snapshotter.v1", "overlayfs").prepare("sandbox 0", "base ")
    os._exit(9)
"""
    subprocess.run([sys.executable, "-c", program, directory], check=False)
    code, found, _ = run(directory, "-n", "1", "--", "true")
    assert (code, found) == (0, {0: (0, "")})
    assert left(directory) == []


def test_a_second_run_in_the_same_directory_is_refused_in_one_line(tmp_path: Path) -> None:
    directory = tmp_path / "sandboxes"
    with start(directory, "-n", "1", "--", "sh", "-c", "echo > running; sleep 1000") as first:
        wait_until(lambda: bool(list(directory.glob("root/*/snapshots/*/fs/running"))), SECONDS, "a sandbox")
        code, _, stderr = run(directory, "--", "true")
        first.send_signal(signal.SIGINT)
    assert (code, stderr.count("\n")) == (1, 1)
    assert f"is locked by process {first.pid}; stop that process" in stderr


def test_the_program_is_short() -> None:
    assert len(SANDBOXES.read_text().splitlines()) < 80
