"""The state on disk after a power failure: a real file system is shut down without writing anything more."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.fs import sync_directory
from lamina.mount import temporary_mount
from lamina.snapshots.local import LocalSnapshotter
from lamina.testing import differences, read_tree
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay", "loop", "mkfs.ext4")

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
"""include/uapi/linux/ext4.h: not even the journal is written."""
LAYERS = 5


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def forget_boot(snapshotter: LocalSnapshotter) -> None:
    """Have the machine booted, for the snapshotter."""
    snapshotter._store.remember_boot("the boot before the power cut")


def cut_power(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(fd)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An ext4 with a journal, not mounted."""
    path = tmp_path / "image"
    path.touch()
    os.truncate(path, 256 << 20)
    run("mkfs.ext4", "-q", path)
    return path


@contextlib.contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """Mount an image for the duration of the block. At its end all is written, unless the power failed."""
    disk = image.with_name("disk")
    disk.mkdir(exist_ok=True)
    run("mount", "-o", "loop", image, disk)
    try:
        yield disk
    finally:
        run("umount", "--lazy", disk)


def test_acknowledged_operations_are_on_disk(image: Path) -> None:
    """Layers with their files survive, and records of active snapshots, whose directories are recreated."""
    with mounted(image) as disk, open_overlay(disk) as overlay:
        for number in range(LAYERS):
            with temporary_mount(overlay.prepare("making", f"c{number - 1}" if number else "")) as root:
                (Path(root) / f"file{number}").write_text("x" * 10_000 * (number + 1))
            overlay.commit(f"c{number}", "making")
        overlay.prepare("active", f"c{LAYERS - 1}")
        cut_power(disk)
    with mounted(image) as disk:
        with open_overlay(disk) as overlay:
            forget_boot(overlay)
        with open_overlay(disk) as overlay:
            assert [info.name for info in overlay.walk()] == [
                "active",
                *(f"c{number}" for number in range(LAYERS)),
            ]
            with temporary_mount(overlay.mounts("active")) as root:
                sizes = {path.name: path.read_text() for path in Path(root).iterdir()}
        assert sizes == {f"file{number}": "x" * 10_000 * (number + 1) for number in range(LAYERS)}


@pytest.mark.parametrize("meanwhile", [pytest.param(lambda _: None, id="at once"), sync_directory])
def test_a_prepared_copy_has_all_files_of_its_parent_after_a_power_failure(
    image: Path, meanwhile: Callable[[str], None]
) -> None:
    """Even if another fsync has since written the names in the journal without their content."""
    with mounted(image) as disk, open_native(disk) as native:
        with temporary_mount(native.prepare("making")) as root:
            for number in range(LAYERS):
                (Path(root) / f"file{number}").write_text("x" * 10_000 * (number + 1))
        native.commit("c", "making")
        (copy,) = native.prepare("active", "c")
        meanwhile(copy.source)
        cut_power(disk)
    with mounted(image) as disk:
        with open_native(disk) as native:
            forget_boot(native)
        with open_native(disk) as native:
            native.commit("d", "active")
            for name in ("c", "d"):
                native.view(f"view of {name}", name)
            trees = [read_tree(native.mounts(f"view of {name}")[0].source) for name in ("c", "d")]
    assert trees[0].keys() == {".", *(f"file{number}" for number in range(LAYERS))}
    assert differences(*trees) == []
