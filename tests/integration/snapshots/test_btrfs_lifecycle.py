"""The life cycle of btrfs snapshots."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.errdefs import AlreadyExists, DataLoss, FailedPrecondition, NotFound, ResourceExhausted
from lamina.mount import temporary_mount
from lamina.snapshots import Info, Kind
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.btrfs import (
    btrfs_snapshotter,
    content,
    is_empty,
    layer,
    open_btrfs,
    run,
    subvolumes,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "btrfs")


def fill(root: Path) -> None:
    """Fill the file system with data, then with metadata."""
    with (root / "data").open("wb") as file, contextlib.suppress(OSError):
        for number in range(1000):
            os.posix_fallocate(file.fileno(), number << 20, 1 << 20)
    with contextlib.suppress(OSError):
        for number in range(100_000):
            (root / f"{number}").touch()
            os.setxattr(root / f"{number}", "user.large", b"x" * 3500)


def test_writes_after_a_commit_do_not_reach_the_committed_snapshot(btrfs: LocalSnapshotter) -> None:
    """Through a remaining mount or an open file."""
    with temporary_mount(btrfs.prepare("a")) as root, (Path(root) / "f").open("w") as file:
        file.write("before")
        file.flush()
        btrfs.commit("c", "a")
        file.write(", and after")
        file.flush()
        with contextlib.suppress(OSError):
            (Path(root) / "late").touch()
        assert content(btrfs, "c") == {"f": "before"}


def test_a_commit_leaves_one_read_only_subvolume(btrfs: LocalSnapshotter, mountpoint: Path) -> None:
    layer(btrfs, "c", "", lambda root: (root / "f").touch())
    assert subvolumes(mountpoint) == {"root/snapshots/1/committed"}


def test_one_of_several_concurrent_commits_succeeds_with_all_data(
    btrfs: LocalSnapshotter, mountpoint: Path
) -> None:
    def commit(number: int) -> str:
        try:
            btrfs.commit(f"c{number}", "a")
        except NotFound:
            return ""
        return f"c{number}"

    for _ in range(5):
        with temporary_mount(btrfs.prepare("a")) as root:
            (Path(root) / "f").write_text("all")
        with ThreadPoolExecutor(8) as pool:
            (name,) = filter(None, pool.map(commit, range(8)))
        assert content(btrfs, name) == {"f": "all"}
        btrfs.remove(name)
    assert is_empty(btrfs, mountpoint)


def test_a_commit_to_an_existing_name_changes_nothing(btrfs: LocalSnapshotter) -> None:
    layer(btrfs, "c", "", lambda root: (root / "f").write_text("first"))
    with temporary_mount(btrfs.prepare("a")) as root:
        with pytest.raises(AlreadyExists):
            btrfs.commit("c", "a")
        (Path(root) / "g").write_text("second")
    btrfs.commit("d", "a")
    assert (content(btrfs, "c"), content(btrfs, "d")) == ({"f": "first"}, {"g": "second"})


def test_a_mounted_snapshot_can_be_removed(btrfs: LocalSnapshotter, mountpoint: Path) -> None:
    with temporary_mount(btrfs.prepare("a")) as root, (Path(root) / "f").open("w") as file:
        btrfs.remove("a")
        assert is_empty(btrfs, mountpoint)
        file.write("into nowhere")


def test_a_removal_is_finished_in_the_background(btrfs: LocalSnapshotter, mountpoint: Path) -> None:
    layer(btrfs, "c", "", lambda root: (root / "f").touch())
    btrfs.view("v", "c")
    btrfs.prepare("a", "c")
    for key in ("v", "a", "c"):
        btrfs.remove(key)
    wait_until(lambda: not subvolumes(mountpoint), 60, "every subvolume is deleted")


def test_a_synchronous_removal_deletes_the_subvolume_before_it_returns(mountpoint: Path, tmp_path: Path) -> None:
    with open_btrfs(tmp_path, sync_remove=True) as btrfs:
        btrfs.prepare("a")
        btrfs.remove("a")
        assert subvolumes(mountpoint) == set()


def test_failed_calls_leave_no_subvolume(btrfs: LocalSnapshotter, mountpoint: Path) -> None:
    btrfs.prepare("a")
    before = subvolumes(mountpoint)
    for call in (
        lambda: btrfs.prepare("a"),
        lambda: btrfs.view("a"),
        lambda: btrfs.prepare("b", "no such parent"),
        lambda: btrfs.commit("c", "b"),
        lambda: btrfs.remove("b"),
    ):
        with pytest.raises((AlreadyExists, NotFound)):
            call()
    btrfs.cleanup()
    assert subvolumes(mountpoint) == before


def test_snapshots_lost_in_a_power_failure_are_recreated_after_the_next_boot(
    mountpoint: Path, tmp_path: Path
) -> None:
    with open_btrfs(tmp_path) as btrfs:
        layer(btrfs, "c", "", lambda root: (root / "f").touch())
        btrfs.prepare("a", "c")
        btrfs.view("v")
        btrfs._store.remember_boot("an earlier boot")
    for number, name in ((2, "active"), (3, "view")):
        directory = mountpoint / "root/snapshots" / str(number)
        run("btrfs", "subvolume", "delete", directory / name)
        directory.rmdir()
    with open_btrfs(tmp_path) as btrfs:
        with temporary_mount(btrfs.mounts("a")) as root:
            assert os.listdir(root) == ["f"]
        with temporary_mount(btrfs.mounts("v")) as root:
            assert os.listdir(root) == []


def test_a_missing_subvolume_is_an_error_that_names_the_snapshot(
    btrfs: LocalSnapshotter, mountpoint: Path
) -> None:
    btrfs.prepare("a")
    run("btrfs", "subvolume", "delete", mountpoint / "root/snapshots/1/active")
    with pytest.raises(DataLoss, match="'a'"):
        btrfs.mounts("a")


def test_a_directory_in_place_of_a_subvolume_is_refused_and_only_it_is_removed(
    btrfs: LocalSnapshotter, mountpoint: Path
) -> None:
    """Data may be copied by tools that ignore subvolumes. The containing subvolume must not be affected."""
    btrfs.prepare("other")
    btrfs.prepare("a")
    directory = mountpoint / "root/snapshots/2/active"
    run("btrfs", "subvolume", "delete", directory)
    directory.mkdir()
    (directory / "f").touch()
    for call in (btrfs.mounts, btrfs.usage, lambda key: btrfs.commit("c", key)):
        with pytest.raises(FailedPrecondition, match="ordinary directory"):
            call("a")
    btrfs.remove("a")
    btrfs.cleanup()
    assert subvolumes(mountpoint) == {"root/snapshots/1/active"}
    assert os.listdir(mountpoint / "root/trash") == []


def test_keyspaces_share_the_data_root_and_are_independent(btrfs: LocalSnapshotter, mountpoint: Path) -> None:
    other = btrfs.keyspace("other")
    btrfs.prepare("a")
    other.prepare("a")
    other.commit("c", "a")
    assert btrfs.stat("a").kind is Kind.ACTIVE
    assert subvolumes(mountpoint) == {"root/snapshots/1/active", "root/snapshots/2/committed"}


def test_a_full_file_system_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    """Even without space for metadata, acknowledged snapshots remain, and a removal frees space."""
    with btrfs_snapshotter(tmp_path, megabytes=114) as btrfs:
        layer(btrfs, "c", "", lambda root: (root / "f").write_text("kept"))
        keys: list[str] = []

        def prepare_until_full() -> None:
            with temporary_mount(btrfs.prepare("filled")) as root:
                fill(Path(root))
            for number in range(5000):
                btrfs.prepare(f"{number:04}", "c")
                keys.append(f"{number:04}")

        with pytest.raises(ResourceExhausted):
            prepare_until_full()
        assert [info.name for info in btrfs.walk()] == sorted([*keys, "c", "filled"])
        btrfs.remove("filled")
        for key in keys:
            with temporary_mount(btrfs.mounts(key)) as root:
                assert (Path(root) / "f").read_text() == "kept"
            btrfs.remove(key)
        btrfs.cleanup()
        run("btrfs", "filesystem", "sync", tmp_path / "btrfs")  # or the kernel frees the space later
        run("btrfs", "subvolume", "sync", tmp_path / "btrfs")
        layer(btrfs, "d", "c", lambda root: (root / "g").write_text("new"))
        assert content(btrfs, "d") == {"f": "kept", "g": "new"}


def test_a_parent_with_children_cannot_be_removed(btrfs: LocalSnapshotter) -> None:
    layer(btrfs, "c", "", lambda root: (root / "f").write_text("kept"))
    btrfs.view("v", "c")
    with pytest.raises(FailedPrecondition, match="child"):
        btrfs.remove("c")
    btrfs.update(Info("c", labels={"l": "v"}))
    assert content(btrfs, "c") == {"f": "kept"}
