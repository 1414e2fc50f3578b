"""Copies that need root or several file systems."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition, ResourceExhausted, Unimplemented
from lamina.fs import copy_tree
from lamina.testing import differences, read_tree
from tests.support.disks.full_disks import sync
from tests.support.snapshotters.btrfs import mounted_btrfs

pytestmark = pytest.mark.requires("root")

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
"""CAP_NET_BIND_SERVICE, permitted and effective: `struct vfs_cap_data` of linux/capability.h, version 2."""


@contextmanager
def mounted(target: Path, *arguments: str | Path) -> Iterator[Path]:
    subprocess.run(["mount", *arguments, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)


@contextmanager
def file_system(target: Path, *arguments: str | Path) -> Iterator[Path]:
    """Mount a file system on a new directory."""
    target.mkdir()
    with mounted(target, *arguments):
        yield target


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def copied(source: Path, target: Path) -> Path:
    copy_tree(str(source), str(target))
    assert differences(read_tree(target), read_tree(source)) == []
    return target


def furnish(source: Path) -> None:
    """Create files of all types in a directory."""
    (source / "sub").mkdir()
    (source / "file").write_bytes(os.urandom(100_000))
    os.truncate(source / "file", 1 << 20)
    (source / "program").write_bytes(b"x")
    (source / "link").symlink_to("sub")
    os.link(source / "file", source / "sub/file")
    os.link(source / "link", source / "sub/link", follow_symlinks=False)
    os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(source / "whiteout", stat.S_IFCHR, os.makedev(0, 0))
    os.mknod(source / "disk", stat.S_IFBLK | 0o660, os.makedev(4095, 1 << 19))
    os.mkfifo(source / "fifo")
    os.mknod(source / "socket", stat.S_IFSOCK | 0o755)
    for number, name in enumerate(sorted(os.listdir(source)), 1000):
        os.chown(source / name, number, number + 1, follow_symlinks=False)
        os.setxattr(source / name, "trusted.overlay.test", name.encode(), follow_symlinks=False)
    os.setxattr(source / "program", "security.capability", CAPABILITY)
    (source / "program").chmod(0o6755)
    (source / "sub").chmod(0o3777)
    (source / "null").chmod(0o666)


def test_everything_is_copied(source: Path, tmp_path: Path) -> None:
    furnish(source)
    target = copied(source, tmp_path / "target")
    assert os.getxattr(target / "program", "security.capability") == CAPABILITY


def test_a_setgid_parent_directory_does_not_change_groups(source: Path, tmp_path: Path) -> None:
    furnish(source)
    (tmp_path / "around").mkdir()
    os.chown(tmp_path / "around", 7, 8)
    (tmp_path / "around").chmod(0o2777)
    target = copied(source, tmp_path / "around/target")
    assert (target.stat().st_uid, target.stat().st_gid) == (source.stat().st_uid, source.stat().st_gid)


def test_everything_is_copied_to_another_file_system(source: Path, tmp_path: Path) -> None:
    furnish(source)
    with file_system(tmp_path / "tmpfs", "-t", "tmpfs", "tmpfs") as tmpfs:
        target = copied(source, tmpfs / "target")
        assert (target / "file").stat().st_blocks < (1 << 20) // 512


@pytest.mark.requires("overlay")
def test_everything_is_copied_out_of_an_overlay(source: Path, tmp_path: Path) -> None:
    """Files and directories of an overlay have different devices if its layers are on several file systems."""
    furnish(source)
    os.unlink(source / "whiteout")  # hides itself
    for name in os.listdir(source):
        os.removexattr(source / name, "trusted.overlay.test", follow_symlinks=False)  # kept for overlayfs itself
    with file_system(tmp_path / "tmpfs", "-t", "tmpfs", "tmpfs") as upper:
        for name in ("upper", "work"):
            (upper / name).mkdir()
        options = f"lowerdir={source},upperdir={upper}/upper,workdir={upper}/work"
        with file_system(tmp_path / "overlay", "-t", "overlay", "-o", options, "overlay") as overlay:
            (overlay / "new").write_bytes(b"x")
            copied(overlay, tmp_path / "target")


@pytest.mark.requires("btrfs")
def test_blocks_are_shared_if_the_file_system_supports_it(tmp_path: Path) -> None:
    with mounted_btrfs(tmp_path) as btrfs:
        (btrfs / "source").mkdir()
        furnish(btrfs / "source")
        (btrfs / "source/large").write_bytes(os.urandom(1 << 20) * 16)
        sync(btrfs)
        copied(btrfs / "source", btrfs / "target")
        report = subprocess.run(
            ["btrfs", "filesystem", "du", "--raw", "-s", btrfs / "target"],
            check=True,
            capture_output=True,
            text=True,
        )
        total, exclusive = report.stdout.splitlines()[-1].split()[:2]
        assert int(total) > 16 << 20
        assert int(exclusive) < 1 << 20


@pytest.mark.requires("loop", "mkfs.ext4")
def test_entries_without_types_are_copied(source: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^filetype", image], check=True)
    with file_system(tmp_path / "untyped", "-o", "loop", image) as untyped:
        (untyped / "source").mkdir()
        furnish(untyped / "source")
        copied(untyped / "source", untyped / "target")


@pytest.mark.parametrize("place", ["sub", "a/b/c"])
def test_a_mount_of_the_same_file_system_is_refused(source: Path, tmp_path: Path, place: str) -> None:
    (source / place).mkdir(parents=True)
    (tmp_path / "other").mkdir()
    with mounted(source / place, "--bind", tmp_path / "other"), pytest.raises(FailedPrecondition) as caught:
        copy_tree(str(source), f"{tmp_path}/target")
    assert str(caught.value) == (
        f"copy {source} to {tmp_path}/target: {source}/{place} is a mount point; unmount it first"
    )


@pytest.mark.parametrize("other", ["a regular file", "/dev/null", "a file system"])
def test_a_file_that_is_a_mount_point_is_refused(source: Path, tmp_path: Path, other: str) -> None:
    (source / "file").touch()
    with ExitStack() as mounts:
        if other == "a regular file":
            other = f"{tmp_path}/other"
            Path(other).touch()
        elif other == "a file system":
            tmpfs = mounts.enter_context(file_system(tmp_path / "tmpfs", "-t", "tmpfs", "tmpfs"))
            other = f"{tmpfs}/file"
            Path(other).touch()
        mounts.enter_context(mounted(source / "file", "--bind", Path(other)))
        with pytest.raises(FailedPrecondition, match="source/file is a mount point; unmount it first"):
            copy_tree(str(source), f"{tmp_path}/target")


def test_a_fifo_that_is_a_mount_point_is_refused(source: Path, tmp_path: Path) -> None:
    os.mkfifo(source / "fifo")
    is_refused = pytest.raises(FailedPrecondition, match="source/fifo is a mount point")
    with mounted(source / "fifo", "--bind", Path("/dev/null")), is_refused:
        copy_tree(str(source), f"{tmp_path}/target")


def test_the_source_may_be_a_mount_point(source: Path, tmp_path: Path) -> None:
    with mounted(source, "-t", "tmpfs", "tmpfs"):
        furnish(source)
        copied(source, tmp_path / "target")


def test_a_full_file_system_raises_resource_exhausted_and_names_the_file(source: Path, tmp_path: Path) -> None:
    (source / "sub").mkdir()
    (source / "sub/file").write_bytes(bytes(1 << 20))
    with file_system(tmp_path / "full", "-t", "tmpfs", "-o", "size=64k", "tmpfs") as full:
        with pytest.raises(ResourceExhausted) as caught:
            copy_tree(str(source), f"{full}/target")
        assert str(caught.value) == f"copy {source} to {full}/target: {source}/sub/file: No space left on device"


@pytest.mark.parametrize("attribute", ["user.x", "trusted.x"])
def test_an_attribute_that_would_be_lost_is_an_error(source: Path, tmp_path: Path, attribute: str) -> None:
    """ramfs does not support attributes."""
    (source / "file").touch()
    os.setxattr(source / "file", attribute, b"x")
    with file_system(tmp_path / "ramfs", "-t", "ramfs", "ramfs") as ramfs:
        with pytest.raises(Unimplemented) as caught:
            copy_tree(str(source), f"{ramfs}/target")
        assert f"{source}/file: attribute {attribute}: Operation not supported" in str(caught.value)


def test_a_security_attribute_that_cannot_be_set_is_logged_once(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b", "c"):
        (source / name).touch()
        os.setxattr(source / name, "security.capability", CAPABILITY)
    with file_system(tmp_path / "ramfs", "-t", "ramfs", "ramfs") as ramfs, caplog.at_level(logging.WARNING):
        copy_tree(str(source), f"{ramfs}/target")
        assert sorted(os.listdir(ramfs / "target")) == ["a", "b", "c"]
    (record,) = caplog.records
    assert record.attribute == "security.capability"
