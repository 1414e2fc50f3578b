"""Unmounting for real."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition, MountFailed, NotFound
from lamina.mount import (
    Mount,
    _unmounting,
    mount_all,
    mountinfo,
    unmount,
    unmount_all,
    unmount_mounts,
    unmount_recursive,
)

pytestmark = pytest.mark.requires("root")

TMPFS = Mount("tmpfs", "tmpfs")


def points_below(directory: Path) -> list[str]:
    return [info.mount_point for info in mountinfo() if info.mount_point.startswith(str(directory))]


def test_unmounting_an_unmounted_directory_does_nothing(tmp_path: Path) -> None:
    unmount(tmp_path)


def test_a_path_that_does_not_exist_is_an_error_of_unmount_alone(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="absent"):
        unmount(tmp_path / "absent")
    unmount_all(tmp_path / "absent")
    unmount_recursive(tmp_path / "absent")
    unmount_all("")


def test_unmount_removes_one_of_a_stack_and_unmount_all_the_rest(tmp_path: Path) -> None:
    mount_all([TMPFS, TMPFS, TMPFS], tmp_path)
    unmount(tmp_path)
    assert points_below(tmp_path) == [str(tmp_path)] * 2
    unmount_all(tmp_path)
    assert points_below(tmp_path) == []


def test_a_busy_mount_is_an_error_with_the_remedy_unless_lazy(tmp_path: Path) -> None:
    mount_all([TMPFS], tmp_path)
    with (tmp_path / "file").open("w") as file:
        with pytest.raises(FailedPrecondition, match=f"busy .who uses it: fuser --verbose --mount {tmp_path}"):
            unmount(tmp_path)
        unmount(tmp_path, lazy=True)
        file.write("still there")
    assert points_below(tmp_path) == []


def test_unmount_waits_for_a_briefly_busy_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_unmounting, "_BUSY_SECONDS", 120.0)  # the file may be closed late on a busy machine
    mount_all([TMPFS], tmp_path)
    with (tmp_path / "file").open("w") as file:
        closing = threading.Timer(0.2, file.close)
        closing.start()
        unmount(tmp_path)
        closing.join()
    assert points_below(tmp_path) == []


def test_unmount_recursive_unmounts_exactly_the_tree(tmp_path: Path) -> None:
    tree, beside = tmp_path / "tree", tmp_path / "tree-beside"
    for directory in (tree, beside):
        directory.mkdir()
        mount_all([TMPFS], directory)
    (tree / "a b").mkdir()
    mount_all([TMPFS, TMPFS], tree / "a b")
    (tree / "a b" / "c").mkdir()
    mount_all([TMPFS], tree / "a b" / "c")
    (tmp_path / "link").symlink_to(".")
    unmount_recursive(tmp_path / "link/tree")
    assert points_below(tmp_path) == [str(beside)]
    unmount(beside)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("call", [unmount, unmount_all, unmount_recursive, partial(unmount_mounts, [TMPFS])])
def test_a_link_at_the_target_is_not_followed(tmp_path: Path, call: Callable[[str], object], slash: str) -> None:
    """A planted link does not redirect the unmount."""
    (tmp_path / "mounted").mkdir()
    mount_all([TMPFS], tmp_path / "mounted")
    (tmp_path / "link").symlink_to("mounted")
    with pytest.raises(FailedPrecondition, match=rf"is a symbolic link.*; unmount {tmp_path}/mounted"):
        call(f"{tmp_path}/link{slash}")
    assert points_below(tmp_path) == [f"{tmp_path}/mounted"]
    call(f"{tmp_path}/mounted{slash}")
    assert points_below(tmp_path) == []


def test_mounts_through_a_link_are_undone_after_a_failure(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(MountFailed):
        mount_all([TMPFS, Mount("no-such-type", "none")], tmp_path / "link")
    assert points_below(tmp_path) == []


def test_unmount_recursive_tries_all_and_raises_the_first_failure(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("idle", "long-and-busy"):
        (tree / name).mkdir()
        mount_all([TMPFS], tree / name)
    with (
        (tree / "long-and-busy" / "file").open("w"),
        pytest.raises(FailedPrecondition, match=r"long-and-busy.*busy"),
    ):
        unmount_recursive(tree)
    assert points_below(tmp_path) == [str(tree / "long-and-busy")]
    unmount_recursive(tree)


def test_a_busy_tree_can_be_unmounted_lazily(tmp_path: Path) -> None:
    mount_all([TMPFS, TMPFS], tmp_path)
    (tmp_path / "below").mkdir()
    mount_all([TMPFS], tmp_path / "below")
    with (tmp_path / "file").open("w"), (tmp_path / "below/file").open("w"):
        unmount_recursive(tmp_path, lazy=True)
        assert points_below(tmp_path) == []
    mount_all([TMPFS, TMPFS], tmp_path)
    with (tmp_path / "file").open("w"):
        unmount_all(tmp_path, lazy=True)
        assert points_below(tmp_path) == []


def test_unmount_mounts_reverts_exactly_mount_all(tmp_path: Path) -> None:
    tree, target = tmp_path / "tree", tmp_path / "target"
    (tree / "inside").mkdir(parents=True)
    target.mkdir()
    mounts = [Mount("bind", str(tree), ("bind",)), Mount("tmpfs", "tmpfs", target="/inside")]
    mount_all([TMPFS], target)
    mount_all(mounts, target)
    assert points_below(target) == [str(target), str(target), str(target / "inside")]
    unmount_mounts(mounts, target)
    assert points_below(target) == [str(target)]
    unmount(target)
    unmount_mounts(mounts, target)
    unmount_mounts(mounts, tmp_path / "absent")


def test_unmount_mounts_tries_all_and_raises_the_first_failure(tmp_path: Path) -> None:
    (tmp_path / "tree/inside").mkdir(parents=True)
    mounts = [Mount("bind", str(tmp_path / "tree"), ("bind",)), Mount("tmpfs", "tmpfs", target="/inside")]
    mount_all(mounts, tmp_path / "tree")
    with (
        (tmp_path / "tree/inside/file").open("w"),
        pytest.raises(FailedPrecondition, match=r"inside.*busy") as failure,
    ):
        unmount_mounts(mounts, tmp_path / "tree")
    (note,) = failure.value.__notes__
    assert f"unmount {tmp_path}/tree: Device or resource busy" in note
    unmount_mounts(mounts, tmp_path / "tree")
    assert points_below(tmp_path) == []
