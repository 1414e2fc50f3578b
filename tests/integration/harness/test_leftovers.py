"""Leftovers of a test are found and removed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import leftovers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root")


def test_mounts_in_the_directory_and_of_its_content_are_found(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "own-not"
    for directory in (own / "with space", own / "tree", other / "bound", other / "tmpfs"):
        directory.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", own / "with space"], check=True)
    subprocess.run(["mount", "--bind", own / "tree", other / "bound"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", other / "tmpfs"], check=True)
    assert leftovers.remove_mounts(own) == [f"mount {own / 'with space'}", f"mount {other / 'bound'}"]
    assert leftovers.remove_mounts(own) == []
    assert leftovers.remove_mounts(other) == [f"mount {other / 'tmpfs'}"]


@pytest.mark.requires("loop")
def test_loop_devices_of_files_in_the_directory(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    attached = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True)
    assert leftovers.remove_loop_devices(tmp_path) == [f"loop device {attached.stdout.strip()}"]
    assert leftovers.remove_loop_devices(tmp_path) == []


@pytest.mark.requires("loop", "mkfs.ext4")
def test_a_loop_device_that_is_released_shortly_afterwards_is_not_a_leftover(tmp_path: Path) -> None:
    image, target = tmp_path / "image", tmp_path / "target"
    image.write_bytes(bytes(1 << 20))
    target.mkdir()
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, target], check=True)
    mounted = subprocess.run(["findmnt", "-no", "SOURCE", target], check=True, capture_output=True, text=True)
    with Path(mounted.stdout.strip()).open("rb") as device, subprocess.Popen(["sleep", "0.2"], stdin=device):
        device.close()
        subprocess.run(["umount", target], check=True)
        assert leftovers.remove_loop_devices(tmp_path) == []


@pytest.fixture
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a tenth of a second only: the processes here do not exit."""
    monkeypatch.setattr(leftovers, "SECONDS_TO_EXIT", 0.1)


def wait_for_command(pid: int, *words: str | Path) -> None:
    """Wait until a process has been executed: before, it has another command line, or none."""
    command = "".join(f"{word}\0" for word in words)
    wait_until(lambda: Path(f"/proc/{pid}/cmdline").read_text() == command, 60, f"{words[0]} runs")


@pytest.mark.usefixtures("_quickly")
def test_unreaped_children_are_found(tmp_path: Path) -> None:
    before = leftovers.children()
    with subprocess.Popen(["sleep", "600"]) as process:
        wait_for_command(process.pid, "sleep", "600")
        assert leftovers.remove_processes(tmp_path, before) == [f"process {process.pid}: sleep 600 "]
    assert leftovers.remove_processes(tmp_path, before) == []


@pytest.mark.usefixtures("_quickly")
def test_orphans_with_a_path_in_the_directory_on_their_command_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    script = f"tail --follow {log} >/dev/null 2>&1 & echo $!"
    started = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
    orphan = int(started.stdout)
    wait_for_command(orphan, "tail", "--follow", log)
    found = leftovers.remove_processes(tmp_path, leftovers.children())
    assert found == [f"process {orphan}: tail --follow {log} "]
