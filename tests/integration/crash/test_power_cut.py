"""What is on disk when the power fails: a real file system that is shut down without writing anything more."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path

import pytest
from overlays import open_overlay

from lamina.mount import temporary_mount

pytestmark = pytest.mark.requires("root", "overlay", "loop", "mkfs.ext4")

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
"""include/uapi/linux/ext4.h: not even the journal is written."""
LAYERS = 5


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True)


def cut_power(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(fd)


def test_what_was_acknowledged_is_on_disk(tmp_path: Path) -> None:
    """Layers with their files, and the records of active snapshots, whose directories are made again."""
    image, disk = tmp_path / "image", tmp_path / "disk"
    image.touch()
    os.truncate(image, 256 << 20)
    disk.mkdir()
    run("mkfs.ext4", "-q", image)
    run("mount", "-o", "loop", image, disk)
    try:
        with open_overlay(disk) as overlay:
            for number in range(LAYERS):
                with temporary_mount(overlay.prepare("making", f"c{number - 1}" if number else "")) as root:
                    (Path(root) / f"file{number}").write_text("x" * 10_000 * (number + 1))
                overlay.commit(f"c{number}", "making")
            overlay.prepare("active", f"c{LAYERS - 1}")
            cut_power(disk)
    finally:
        run("umount", "--lazy", disk)
    run("mount", "-o", "loop", image, disk)
    try:
        with open_overlay(disk) as overlay:
            overlay._store.remember_boot("the boot before the power cut")
        with open_overlay(disk) as overlay:
            assert [info.name for info in overlay.walk()] == [
                "active",
                *(f"c{number}" for number in range(LAYERS)),
            ]
            with temporary_mount(overlay.mounts("active")) as root:
                sizes = {path.name: path.read_text() for path in Path(root).iterdir()}
        assert sizes == {f"file{number}": "x" * 10_000 * (number + 1) for number in range(LAYERS)}
    finally:
        run("umount", disk)
