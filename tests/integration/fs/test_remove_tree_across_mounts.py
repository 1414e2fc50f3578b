"""Removal stops at mount points, including bind mounts of the same file system."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition, PermissionDenied
from lamina.fs import disk_usage, remove_tree

pytestmark = pytest.mark.requires("root")

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS = 0x80086601, 0x40086602  # linux/fs.h
FS_IMMUTABLE_FL, FS_APPEND_FL = 0x10, 0x20


@contextmanager
def mounted(target: Path, *arguments: str | Path) -> Iterator[None]:
    subprocess.run(["mount", *arguments, target], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


@contextmanager
def flagged(path: Path, flag: int) -> Iterator[None]:
    """Set a flag of chattr(1)."""
    fd = os.open(path, os.O_RDONLY)
    try:
        before = fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(8))
        (flags,) = struct.unpack("l", before)
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", flags | flag))
        try:
            yield
        finally:
            fcntl.ioctl(fd, FS_IOC_SETFLAGS, before)
    finally:
        os.close(fd)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A directory with a file that must survive."""
    (tmp_path / "kept/sub").mkdir(parents=True)
    (tmp_path / "kept/sub/file").touch()
    return tmp_path / "kept"


@pytest.mark.parametrize("place", ["root", "root/sub", "root/a/b/c"])
def test_a_bind_mount_of_the_same_file_system_is_refused_and_kept(tmp_path: Path, kept: Path, place: str) -> None:
    target = tmp_path / place
    target.mkdir(parents=True)
    with mounted(target, "--bind", kept):
        with pytest.raises(FailedPrecondition) as caught:
            remove_tree(str(tmp_path / "root"))
        assert str(caught.value) == f"remove {tmp_path}/root: {target} is a mount point; unmount it first"
        assert (target / "sub/file").exists()
    assert (kept / "sub/file").exists()


def test_a_directory_bind_mounted_on_itself_is_refused(tmp_path: Path, kept: Path) -> None:
    with mounted(kept, "--bind", kept):
        with pytest.raises(FailedPrecondition, match="kept is a mount point"):
            remove_tree(str(kept))
        assert (kept / "sub/file").exists()


def test_another_file_system_is_refused_and_kept(tmp_path: Path) -> None:
    target = tmp_path / "root/sub/tmpfs"
    target.mkdir(parents=True)
    with mounted(target, "-t", "tmpfs", "tmpfs"):
        (target / "file").touch()
        with pytest.raises(FailedPrecondition, match="root/sub/tmpfs is a mount point"):
            remove_tree(str(tmp_path / "root"))
        assert (target / "file").exists()


def test_a_file_that_is_a_mount_point_is_refused(tmp_path: Path, kept: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").touch()
    is_refused = pytest.raises(FailedPrecondition, match="root/file is a mount point")
    with mounted(tmp_path / "root/file", "--bind", kept / "sub/file"), is_refused:
        remove_tree(str(tmp_path / "root"))
    assert (kept / "sub/file").exists()


def test_trees_below_a_mount_point_are_removed(tmp_path: Path) -> None:
    (tmp_path / "mnt").mkdir()
    with mounted(tmp_path / "mnt", "-t", "tmpfs", "tmpfs"):
        (tmp_path / "mnt/root/sub").mkdir(parents=True)
        (tmp_path / "mnt/root/sub/file").touch()
        remove_tree(str(tmp_path / "mnt/root"))
        assert list((tmp_path / "mnt").iterdir()) == []


def test_after_unmounting_the_rest_is_removed(tmp_path: Path, kept: Path) -> None:
    target = tmp_path / "root/sub"
    target.mkdir(parents=True)
    with mounted(target, "--bind", kept), pytest.raises(FailedPrecondition):
        remove_tree(str(tmp_path / "root"))
    remove_tree(str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_root_removes_files_regardless_of_modes(tmp_path: Path, mode: int) -> None:
    (tmp_path / "root/sub/deeper").mkdir(parents=True)
    (tmp_path / "root/sub/file").touch(mode)
    for path in ("root/sub/deeper", "root/sub", "root"):
        (tmp_path / path).chmod(mode)
    remove_tree(str(tmp_path / "root"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", [FS_IMMUTABLE_FL, FS_APPEND_FL])
def test_an_immutable_file_is_named_with_the_remedy(tmp_path: Path, flag: int) -> None:
    (tmp_path / "root/sub").mkdir(parents=True)
    (tmp_path / "root/sub/file").touch()
    with flagged(tmp_path / "root/sub/file", flag), pytest.raises(PermissionDenied) as caught:
        remove_tree(str(tmp_path / "root"))
    assert str(caught.value) == (
        f"remove {tmp_path}/root: {tmp_path}/root/sub/file: Operation not permitted; "
        "`chattr -ia` it and its directory if immutable"
    )
    remove_tree(str(tmp_path / "root"))


def test_an_entry_of_an_immutable_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "root/sub").mkdir(parents=True)
    (tmp_path / "root/sub/file").touch()
    is_refused = pytest.raises(PermissionDenied, match="root/sub/file: Operation not permitted; `chattr -ia`")
    with flagged(tmp_path / "root/sub", FS_IMMUTABLE_FL), is_refused:
        remove_tree(str(tmp_path / "root"))


def test_a_directory_reached_twice_through_a_bind_mount_counts_once(tmp_path: Path, kept: Path) -> None:
    (tmp_path / "kept/again").mkdir()
    with ExitStack() as mounts:
        before = disk_usage(str(kept))
        mounts.enter_context(mounted(kept / "again", "--bind", kept / "sub"))
        size, inodes = disk_usage(str(kept))
    # The directory that is mounted over is hidden.
    assert (size, inodes) == (before[0] - (kept / "again").stat().st_blocks * 512, before[1] - 1)
