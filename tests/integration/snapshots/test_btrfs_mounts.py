"""The mounts of the btrfs snapshotter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.mount import Mount, lookup, temporary_mount
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.btrfs import btrfs_snapshotter, layer, mounted_btrfs, open_btrfs, run, subvolumes

pytestmark = pytest.mark.requires("root", "btrfs")


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with btrfs_snapshotter(tmp_path) as snapshotter:
        yield snapshotter


def subvolume_id(path: Path) -> str:
    """Return the id of a subvolume according to btrfs(8)."""
    return run("btrfs", "inspect-internal", "rootid", path)


def expected(tmp_path: Path, subvolume: str, *more: str) -> list[Mount]:
    """Return the mount of a subvolume below `snapshots/`."""
    root = tmp_path / "btrfs/root"
    options = (f"subvolid={subvolume_id(root / 'snapshots' / subvolume)}", *more)
    return [Mount("btrfs", lookup(root).source, options)]


def test_an_active_snapshot_is_mounted_by_subvolume_id(btrfs: LocalSnapshotter, tmp_path: Path) -> None:
    assert btrfs.prepare("a") == expected(tmp_path, "1/active")
    btrfs.commit("c", "a")
    assert btrfs.prepare("b", "c") == expected(tmp_path, "2/active")
    assert btrfs.mounts("b") == expected(tmp_path, "2/active")


def test_a_view_is_mounted_read_only_by_subvolume_id(btrfs: LocalSnapshotter, tmp_path: Path) -> None:
    assert btrfs.view("v") == expected(tmp_path, "1/view", "ro")
    layer(btrfs, "c", "", lambda root: (root / "f").touch())
    assert btrfs.view("w", "c") == expected(tmp_path, "3/view", "ro")
    assert btrfs.mounts("w") == expected(tmp_path, "3/view", "ro")


def test_writes_affect_only_their_snapshot(btrfs: LocalSnapshotter) -> None:
    layer(btrfs, "c", "", lambda root: (root / "f").write_text("parent"))
    with temporary_mount(btrfs.prepare("a", "c")) as one, temporary_mount(btrfs.prepare("b", "c")) as other:
        (Path(one) / "f").write_text("child")
        (Path(one) / "new").touch()
        assert (Path(other) / "f").read_text() == "parent"
        with temporary_mount(btrfs.view("v", "c")) as parent:
            assert {entry.name: entry.read_text() for entry in Path(parent).iterdir()} == {"f": "parent"}
        assert (Path(one) / "f").read_text() == "child"


@pytest.mark.parametrize("parent", ["", "c"])
def test_a_view_cannot_be_written_to(btrfs: LocalSnapshotter, tmp_path: Path, parent: str) -> None:
    """Even if it is mounted without `ro`."""
    layer(btrfs, "c", "", lambda root: (root / "f").touch())
    mounts = btrfs.view("v", parent)
    writable = [Mount(mounts[0].type, mounts[0].source, mounts[0].options[:1])]
    for chosen in (mounts, writable):
        with temporary_mount(chosen) as root, pytest.raises(OSError, match="Read-only file system"):
            (Path(root) / "x").touch()


def test_a_committed_snapshot_cannot_be_written_to(btrfs: LocalSnapshotter, tmp_path: Path) -> None:
    layer(btrfs, "c", "", lambda root: (root / "f").touch())
    with pytest.raises(OSError, match="Read-only file system"):
        (tmp_path / "btrfs/root/snapshots/1/committed/x").touch()


def test_the_root_of_a_snapshot_without_parent_has_mode_0755_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with btrfs_snapshotter(tmp_path) as btrfs:
            for mounts in (btrfs.prepare("a"), btrfs.view("v")):
                with temporary_mount(mounts) as root:
                    assert os.stat(root).st_mode & 0o7777 == 0o755
    finally:
        os.umask(before)


def test_the_root_has_the_owner_and_mode_of_its_parent(btrfs: LocalSnapshotter) -> None:
    layer(btrfs, "c", "", lambda root: (os.chown(root, 1000, 1001), root.chmod(0o1777)))
    with temporary_mount(btrfs.prepare("a", "c")) as root:
        status = os.stat(root)
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1000, 1001, 0o1777)


def test_a_chain_of_layers_shows_every_file_and_no_deleted_one(btrfs: LocalSnapshotter) -> None:
    layer(btrfs, "c0", "", lambda root: (root / "gone").touch())
    for number in range(1, 33):
        layer(btrfs, f"c{number}", f"c{number - 1}", lambda root, n=number: (root / f"f{n}").write_text(f"{n}"))
    layer(btrfs, "last", "c32", lambda root: (root / "gone").unlink())
    with temporary_mount(btrfs.view("v", "last")) as root:
        found = {entry.name: entry.read_text() for entry in Path(root).iterdir()}
    assert found == {f"f{number}": str(number) for number in range(1, 33)}


def test_non_utf8_names_hard_links_and_attributes_are_preserved(btrfs: LocalSnapshotter) -> None:
    def change(root: Path) -> None:
        name = os.fsencode(root) + b"/\xff\n"
        os.close(os.open(name, os.O_CREAT))
        os.link(name, name + b"2")
        os.setxattr(name, "user.x", b"\0value")

    layer(btrfs, "c", "", change)
    with temporary_mount(btrfs.prepare("a", "c")) as root:
        path = os.fsencode(root)
        assert sorted(os.listdir(path)) == [b"\xff\n", b"\xff\n2"]
        assert os.stat(path + b"/\xff\n").st_nlink == 2
        assert os.getxattr(path + b"/\xff\n2", "user.x") == b"\0value"


def test_snapshots_and_mounts_are_the_same_after_reopening(tmp_path: Path) -> None:
    with mounted_btrfs(tmp_path) as mountpoint:
        with open_btrfs(tmp_path) as btrfs:
            layer(btrfs, "c", "", lambda root: (root / "f").write_text("kept"))
            before = btrfs.prepare("a", "c"), list(btrfs.walk()), subvolumes(mountpoint)
        with open_btrfs(tmp_path) as btrfs:
            assert (btrfs.mounts("a"), list(btrfs.walk()), subvolumes(mountpoint)) == before
            with temporary_mount(btrfs.mounts("a")) as root:
                assert (Path(root) / "f").read_text() == "kept"
