"""Disk usage of btrfs snapshots, with and without quotas."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Canceled
from lamina.fs import disk_usage
from lamina.mount import temporary_mount
from lamina.snapshots import Usage
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.btrfs import btrfs_snapshotter, layer, run

pytestmark = pytest.mark.requires("root", "btrfs")

MIB = 1 << 20
BLOCK = 4096
NODE = 16384
"""The node size of btrfs, which is the size of an empty subvolume."""


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with btrfs_snapshotter(tmp_path) as snapshotter:
        yield snapshotter


@pytest.fixture
def quotas(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with btrfs_snapshotter(tmp_path, quota=True) as snapshotter:
        yield snapshotter


def base(root: Path) -> None:
    """Write the tree of the parent."""
    (root / "large").write_bytes(os.urandom(4 * MIB))
    (root / "d").mkdir()
    for number in range(2000):  # more than one search returns
        (root / "d" / f"{number}").write_bytes(b"x" * (number % 5000))


def usage_after(snapshotter: LocalSnapshotter, change: Callable[[Path], object]) -> Usage:
    """Return the usage of an active snapshot on `base` after a change."""
    layer(snapshotter, "base", "", base)
    with temporary_mount(snapshotter.prepare("a", "base")) as root:
        change(Path(root))
        return snapshotter.usage("a")


def test_without_a_parent_usage_is_that_of_du(btrfs: LocalSnapshotter) -> None:
    with temporary_mount(btrfs.prepare("a")) as root:
        path = Path(root)
        base(path)
        os.truncate(path / "d/1", 10 * MIB)
        (path / "link").symlink_to("x" * 100)
        (path / "hard").hardlink_to(path / "large")
        os.mkfifo(path / "fifo")
        assert btrfs.usage("a") == Usage(*disk_usage(root))


def test_an_unchanged_snapshot_uses_no_space(btrfs: LocalSnapshotter) -> None:
    assert usage_after(btrfs, lambda _root: None) == Usage(0, 0)


def test_reads_and_deletions_use_no_space(btrfs: LocalSnapshotter) -> None:
    def read_and_delete(root: Path) -> None:
        run("mount", "-o", "remount,strictatime", root)
        before = (root / "large").stat().st_atime_ns
        (root / "large").read_bytes()
        assert (root / "large").stat().st_atime_ns > before
        (root / "d/1").unlink()

    assert usage_after(btrfs, read_and_delete) == Usage(0, 0)


def test_added_and_changed_files_count_completely_and_once_per_inode(btrfs: LocalSnapshotter) -> None:
    def change(root: Path) -> None:
        (root / "new").write_bytes(os.urandom(MIB))
        (root / "new again").hardlink_to(root / "new")
        with (root / "large").open("r+b") as file:
            file.write(b"a few bytes")
        (root / "d/0").chmod(0o600)
        (root / "made").mkdir()

    assert usage_after(btrfs, change) == Usage(5 * MIB, 4)


def test_only_owner_and_mode_of_a_directory_count(btrfs: LocalSnapshotter) -> None:
    def change(root: Path) -> None:
        (root / "d/1").unlink()
        root.chmod(0o700)

    assert usage_after(btrfs, change) == Usage(0, 1)


def test_a_file_that_is_deleted_but_open_does_not_count(btrfs: LocalSnapshotter) -> None:
    with temporary_mount(btrfs.prepare("a")) as root, (Path(root) / "f").open("wb") as file:
        file.write(os.urandom(MIB))
        (Path(root) / "f").unlink()
        assert btrfs.usage("a") == Usage(0, 1)


def test_the_usage_of_a_committed_snapshot_is_measured_at_its_commit(btrfs: LocalSnapshotter) -> None:
    usage = usage_after(btrfs, lambda root: (root / "new").write_bytes(os.urandom(MIB)))
    btrfs.commit("c", "a")
    assert btrfs.usage("c") == usage == Usage(MIB, 1)


def test_a_view_uses_no_space(btrfs: LocalSnapshotter) -> None:
    layer(btrfs, "c", "", base)
    btrfs.view("v", "c")
    assert btrfs.usage("v") == Usage(0, 0)


def test_a_cancelled_call_stops_measuring(btrfs: LocalSnapshotter) -> None:
    with temporary_mount(btrfs.prepare("a")) as root:
        base(Path(root))
        with use(CallContext(cancelled=True)), pytest.raises(Canceled):
            btrfs.usage("a")


def test_with_quotas_only_exclusive_data_counts(quotas: LocalSnapshotter) -> None:
    """A few changed bytes in a large file count as a block. Cached writes count too."""

    def change(root: Path) -> None:
        with (root / "large").open("r+b") as file:
            file.write(b"a few bytes")

    usage = usage_after(quotas, change)
    assert usage.inodes == 1
    assert BLOCK < usage.size < 20 * NODE
    with temporary_mount(quotas.mounts("a")) as root:
        (Path(root) / "new").write_bytes(os.urandom(MIB))
        more = quotas.usage("a")
    assert more.inodes == 2
    assert MIB <= more.size - usage.size < MIB + 4 * NODE


def test_with_quotas_the_stored_usage_is_the_one_before_the_commit(quotas: LocalSnapshotter) -> None:
    """During a commit, a snapshot shares all data with its copy."""
    usage = usage_after(quotas, lambda root: (root / "new").write_bytes(os.urandom(MIB)))
    quotas.commit("c", "a")
    assert quotas.usage("c") == usage
    assert usage.size > MIB


def test_after_quotas_are_disabled_files_are_measured(quotas: LocalSnapshotter, tmp_path: Path) -> None:
    run("btrfs", "quota", "disable", tmp_path / "btrfs")
    usage = usage_after(quotas, lambda root: (root / "new").write_bytes(os.urandom(MIB)))
    assert usage == Usage(MIB, 1)
