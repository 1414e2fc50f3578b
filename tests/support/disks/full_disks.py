"""Small file systems of a test's own, and ways to fill them to the last block or inode."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.directories import short_directory
from tests.support.disks.block_devices import backs
from tests.support.processes.hosts import Host
from tests.support.snapshotters.btrfs import run
from tests.support.waiting import wait_until

MAKE: Final = {
    "ext4": ("mkfs.ext4", "-q", "-m", "0"),
    "xfs": ("mkfs.xfs", "-q", "-i", "maxpct=3"),  # inodes that tests can use up
    "btrfs": ("mkfs.btrfs", "--quiet"),
}
"""How each file system is made."""
MEGABYTES: Final = {"ext4": 48, "xfs": 300, "btrfs": 128}
"""The size of each: about the least that its mkfs takes. The images are sparse."""
NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def mounted(path: Path, kind: str, *options: str) -> Iterator[Path]:
    """A new file system in an image file, mounted at `path/<kind>` in the block. Nothing of it stays behind.

    Args:
        path: A directory.
        kind: One of `MAKE`.
        options: More of mkfs.
    """
    image, mountpoint = path / f"{kind}.image", path / kind
    image.touch()
    os.truncate(image, MEGABYTES[kind] << 20)
    mountpoint.mkdir()
    program, *arguments = MAKE[kind]
    run(program, *arguments, *options, image)
    run("mount", "-t", kind, "-o", "loop", image, mountpoint)
    device = run("findmnt", "--raw", "-no", "SOURCE", mountpoint)
    try:
        yield mountpoint
    finally:
        for target in reversed(run("findmnt", "--raw", "-no", "TARGET", "--source", device).splitlines()):
            run("umount", "--lazy", target)
        wait_until(lambda: not backs(device, image), 120, f"{device} is detached")
        image.unlink()
        mountpoint.rmdir()


def sync(directory: Path) -> None:
    """Write what is in memory of one file system. As sync(2) does, which writes that of all, tell no failure."""
    subprocess.run(["sync", "--file-system", directory], check=False, stderr=subprocess.DEVNULL)


def fill(directory: Path) -> Path:
    """Take the last free block of a file system; returns the file that has them.

    Args:
        directory: Where a file is made.
    """
    path = directory / "filler"
    with path.open("ab") as file:
        size, step = path.stat().st_size, 1 << 26
        while step >= 4096:
            try:
                os.posix_fallocate(file.fileno(), size, step)
            except OSError as error:
                if error.errno not in NO_SPACE:
                    raise
                os.truncate(path, size)
                step //= 2
            else:
                size += step
        with contextlib.suppress(OSError):
            while True:  # what no fallocate is given
                os.pwrite(file.fileno(), b"x" * 4096, size)
                os.fsync(file.fileno())
                size += 4096
    sync(directory)
    return path


def fill_with_names(directory: Path) -> int:
    """Make symbolic links until the file system has no inode, or no room for one; returns how many were made.

    Args:
        directory: Where they are made, in directories of their own.
    """
    made = 0
    # On btrfs the target is metadata, which long ones fill sooner. Creating a small file waits for seconds when
    # little room is left.
    for target in ("x" * 1000, "x"):
        with ignored_full_disk():
            while True:
                part = directory / f"names-{made // 1000}"
                part.mkdir(exist_ok=True)
                os.symlink(target, part / f"{made:0200}")
                made += 1
    sync(directory)
    return made


@contextlib.contextmanager
def ignored_full_disk() -> Iterator[None]:
    """End the block, without an error, where the file system is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise


def take_everything(disk: Path, what: str) -> None:
    """Leave no block of a file system.

    Args:
        disk: Where it is mounted.
        what: "blocks", or "names": no inode or room for a name either.
    """
    (disk / "filler").touch()  # while there is an inode
    if what == "names":
        fill_with_names(disk)
    fill(disk)


def give_back(disk: Path) -> None:
    """Make space again where `take_everything` left none."""
    (disk / "filler").unlink()
    for names in disk.glob("names-*"):
        shutil.rmtree(names)
    sync(disk)


@contextlib.contextmanager
def host_on(root: Path, config: str = "") -> Iterator[Host]:
    """A host that runs, with its root there, and its socket and log elsewhere."""
    with (
        short_directory() as directory,
        Host(directory / "host", config, arguments=("--root", str(root))).running() as host,
    ):
        yield host
