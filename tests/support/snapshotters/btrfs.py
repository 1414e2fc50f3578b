"""A btrfs of its own for a test, and snapshotters on it."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from lamina.mount import temporary_mount
from lamina.plugins.snapshots.btrfs import BtrfsBackend, probe
from lamina.snapshots.local import LocalSnapshotter
from tests.support.disks.block_devices import backs
from tests.support.snapshotters.local import open_local
from tests.support.waiting import wait_until

_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"  # not on every user's PATH


@contextlib.contextmanager
def mounted_btrfs(path: Path, *, megabytes: int = 128, quota: bool = False) -> Iterator[Path]:
    """A new btrfs in an image file, mounted at `path/btrfs` in the block. Nothing of it stays behind.

    Args:
        path: A directory.
        megabytes: The size of the image, which is sparse; 114 at least.
        quota: Whether quotas are on.
    """
    image, mountpoint = path / "btrfs.image", path / "btrfs"
    image.touch()
    os.truncate(image, megabytes << 20)
    mountpoint.mkdir()
    run("mkfs.btrfs", "--quiet", image)
    run("mount", "-t", "btrfs", "-o", "loop", image, mountpoint)
    device = run("findmnt", "--raw", "-no", "SOURCE", mountpoint)
    try:
        if quota:
            run("btrfs", "quota", "enable", mountpoint)
            run("btrfs", "quota", "rescan", "-w", mountpoint)
        yield mountpoint
    finally:
        # Whatever is mounted of it, wherever: a failed test may have left more.
        for target in reversed(run("findmnt", "--raw", "-no", "TARGET", "--source", device).splitlines()):
            run("umount", "--lazy", target)
        wait_until(lambda: not backs(device, image), 120, f"{device} is detached")
        image.unlink()
        mountpoint.rmdir()


def open_btrfs(
    path: Path, *, root: Path | None = None, sync_fs: bool = True, sync_remove: bool = False
) -> contextlib.AbstractContextManager[LocalSnapshotter]:
    """A btrfs snapshotter with its metastore below `path`, and its data at `root`: by default, on `path/btrfs`."""
    root = root or path / "btrfs/root"
    root.mkdir(mode=0o700, exist_ok=True)
    backend = BtrfsBackend(str(root), device=probe(str(root)))
    return open_local(path / "metastore", backend, "btrfs", sync_fs=sync_fs, sync_remove=sync_remove)


@contextlib.contextmanager
def btrfs_snapshotter(path: Path, *, megabytes: int = 128, quota: bool = False) -> Iterator[LocalSnapshotter]:
    """A btrfs snapshotter on a btrfs of its own: `open_btrfs` in `mounted_btrfs`."""
    with mounted_btrfs(path, megabytes=megabytes, quota=quota), open_btrfs(path) as snapshotter:
        yield snapshotter


def layer(snapshotter: LocalSnapshotter, name: str, parent: str, change: Callable[[Path], object]) -> None:
    """Commit a layer that differs from its parent by what `change` does to the mounted tree."""
    with temporary_mount(snapshotter.prepare(f"making {name}", parent)) as root:
        change(Path(root))
    snapshotter.commit(name, f"making {name}")


def subvolumes(mountpoint: Path) -> set[str]:
    """The paths of all subvolumes, as the `btrfs` program tells them."""
    lines = run("btrfs", "subvolume", "list", mountpoint).splitlines()
    return {line.split(" path ", 1)[1] for line in lines}


def run(program: str, *arguments: str | Path) -> str:
    """Run a program; returns what it printed.

    Raises:
        RuntimeError: It failed; the message is what it complained of.
    """
    command = (program, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": _PATH}, check=False)
    if done.returncode and done.stderr:  # findmnt finds nothing without a word
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout.strip()


def is_empty(btrfs: LocalSnapshotter, mountpoint: Path) -> bool:
    """Whether nothing is left of removed snapshots, nor of any other."""
    btrfs.cleanup()
    return not subvolumes(mountpoint) and not os.listdir(mountpoint / "root/trash")


def content(btrfs: LocalSnapshotter, name: str) -> dict[str, str]:
    """The files in the root of a committed snapshot."""
    with temporary_mount(btrfs.view(f"view of {name}", name)) as root:
        found = {entry.name: entry.read_text() for entry in Path(root).iterdir()}
    btrfs.remove(f"view of {name}")
    btrfs.cleanup()
    return found
