"""Directories of probes whose process was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.mount import lookup, mountinfo
from lamina.plugins.snapshots import btrfs, overlay
from lamina.plugins.snapshots._probe_directory import probe_directory, remove_stale_probes
from tests.support.snapshotters.btrfs import mounted_btrfs, subvolumes

pytestmark = pytest.mark.requires("root", "overlay")

STOPPED = {
    "overlay": """
import sys
from lamina.plugins.snapshots.overlay import _probe

unmount = _probe.unmount

def wait(path):
    print(flush=True)
    sys.stdin.readline()
    unmount(path)

_probe.unmount = wait
_probe.try_overlay(sys.argv[1], ())
""",
    "btrfs": """
import contextlib, sys
from lamina.plugins.snapshots.btrfs import _probe

mount = _probe.temporary_mount

@contextlib.contextmanager
def wait_mounted(*mounts, **options):
    with mount(*mounts, **options) as root:
        print(flush=True)
        sys.stdin.readline()
        yield root

_probe.temporary_mount = wait_mounted
_probe.try_btrfs(*sys.argv[1:])
""",
}
"""Probes that keep their file system mounted until they read a line."""


@contextlib.contextmanager
def waiting_probe(root: Path, kind: str = "overlay") -> Iterator[subprocess.Popen[bytes]]:
    """Run a process whose probe keeps its file system mounted in a data root."""
    command = [sys.executable, "-c", STOPPED[kind], str(root), lookup(root).source]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n", process.stderr and process.stderr.read()
        yield process
        if process.poll() is None:
            process.communicate(b"\n")


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def probe_directories(root: Path) -> list[str]:
    return [name for name in os.listdir(root) if name.startswith("probe-")]


def mounted_below(root: Path) -> list[str]:
    return [info.mount_point for info in mountinfo() if info.mount_point.startswith(f"{root}/")]


def test_a_probe_unmounts_and_removes_killed_ones(tmp_path: Path) -> None:
    with waiting_probe(tmp_path) as one, waiting_probe(tmp_path) as other:
        for process in (one, other):
            kill(process)
    assert (len(probe_directories(tmp_path)), len(mounted_below(tmp_path))) == (2, 2)
    overlay.probe(str(tmp_path), (), remap_ids=True)
    assert (probe_directories(tmp_path), mounted_below(tmp_path)) == ([], [])


def test_a_probe_spares_a_running_one(tmp_path: Path) -> None:
    with waiting_probe(tmp_path):
        before = probe_directories(tmp_path), mounted_below(tmp_path)
        overlay.probe(str(tmp_path), (), remap_ids=True)
        assert (probe_directories(tmp_path), mounted_below(tmp_path)) == before
        assert len(before[1]) == 1
    assert (probe_directories(tmp_path), mounted_below(tmp_path)) == ([], [])


@pytest.mark.requires("btrfs")
def test_a_btrfs_probe_removes_the_subvolume_of_a_killed_one(tmp_path: Path) -> None:
    with mounted_btrfs(tmp_path) as mountpoint:
        with waiting_probe(mountpoint, "btrfs") as process:
            kill(process)
        assert len(subvolumes(mountpoint)) == 1
        btrfs.probe(str(mountpoint))
        assert subvolumes(mountpoint) == set()
        assert (probe_directories(mountpoint), mounted_below(mountpoint)) == ([], [])


def test_only_directories_with_the_name_of_a_probe_are_removed(tmp_path: Path) -> None:
    for name in ("probe-12345678", "probe-of-mine", "snapshots", "probe-1234567"):
        (tmp_path / name).mkdir()
    (tmp_path / "probe-abcdefgh").symlink_to("snapshots")
    (tmp_path / "probe-abcdefgi").touch()
    remove_stale_probes(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == [
        "probe-1234567", "probe-abcdefgh", "probe-abcdefgi", "probe-of-mine", "snapshots",
    ]  # fmt: skip


def test_nothing_is_removed_if_another_user_could_have_created_it(tmp_path: Path) -> None:
    (tmp_path / "probe-12345678").mkdir()
    tmp_path.chmod(0o1777)
    remove_stale_probes(str(tmp_path))
    assert os.listdir(tmp_path) == ["probe-12345678"]


def test_probes_survive_a_concurrent_removal_of_stale_ones(tmp_path: Path) -> None:
    """A new directory may be removed as stale before it is locked; then another one is created."""

    def work(number: int) -> bool:
        for _ in range(200):
            if number % 2:
                remove_stale_probes(str(tmp_path))
            else:
                with probe_directory(str(tmp_path)) as directory:
                    Path(directory, "inside").mkdir()
                    if not os.path.isdir(f"{directory}/inside"):
                        return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert os.listdir(tmp_path) == []
