"""Copies that need no privileges; see tests/integration/fs/test_copy_tree_as_root.py for the others."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.context import use
from lamina.errdefs import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from lamina.fs import copy_tree
from lamina.testing import differences, read_tree
from tests.support.trees import Steps, make_deep_tree, open_files

ACL = b"".join(
    struct.pack("<HHI", tag, permissions, identity)
    for tag, permissions, identity in (
        (0x01, 7, 0xFFFFFFFF),  # the owner
        (0x02, 6, 1234),  # one more user
        (0x04, 5, 0xFFFFFFFF),  # the group
        (0x10, 7, 0xFFFFFFFF),  # the mask
        (0x20, 0, 0xFFFFFFFF),  # others
    )
)
ACL = struct.pack("<I", 2) + ACL  # linux/posix_acl_xattr.h


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def copied(source: Path) -> Path:
    """Copy a tree, check that the copy is equal, and return it."""
    target = source.with_name("target")
    before = open_files()
    copy_tree(str(source), str(target))
    assert open_files() == before
    assert differences(read_tree(target), read_tree(source)) == []
    for field in ("st_mode", "st_uid", "st_gid", "st_mtime_ns"):
        assert getattr(target.stat(), field) == getattr(source.stat(), field)
    return target


def data_parts(path: Path) -> list[tuple[int, int]]:
    """Return the data ranges that the file system reports for a file."""
    parts, end = [], 0
    with path.open("rb") as file:
        while end < path.stat().st_size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            parts.append((start, end))
    return parts


def test_everything_is_copied(source: Path) -> None:
    (source / "sub/empty").mkdir(parents=True)
    (source / "file").write_bytes(b"x" * 100_000)
    (source / "sub/empty file").touch()
    (source / "sub/link").symlink_to("no/such/file")
    os.mkfifo(source / "sub/fifo")
    os.mknod(source / "sub/socket", stat.S_IFSOCK | 0o640)
    copied(source)


def test_names_and_targets_need_not_be_utf_8(source: Path) -> None:
    os.mkdir(os.fsencode(source) + b"/\xff")
    os.symlink(b"\xfe", os.fsencode(source) + b"/\xff/\xfd")
    copied(source)


def test_the_longest_names_are_copied(source: Path) -> None:
    (source / ("d" * 255)).mkdir()
    (source / ("d" * 255) / ("f" * 255)).touch()
    copied(source)


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o444, 0o555, 0o644, 0o777, 0o4755, 0o2755, 0o1777, 0o7777])
@pytest.mark.usefixtures("umask")
def test_modes_are_kept_whatever_the_umask(source: Path, mode: int) -> None:
    (source / "sub").mkdir()
    (source / "sub/file").write_bytes(b"x")
    os.mkfifo(source / "sub/fifo")
    (source / "sub/file").chmod(mode | 0o400)  # needed to read it without privileges
    (source / "sub/fifo").chmod(mode)
    (source / "sub").chmod(mode | 0o500)
    target = copied(source)
    for root in (source, target):
        (root / "sub").chmod(0o700)  # needed to remove it


def test_times_are_kept_to_the_nanosecond(source: Path) -> None:
    (source / "sub/sub").mkdir(parents=True)
    (source / "file").write_bytes(b"x")
    (source / "link").symlink_to("file")
    os.mkfifo(source / "fifo")
    paths = ["file", "link", "fifo", "sub/sub", "sub", "."]
    for number, path in enumerate(paths):
        os.utime(source / path, ns=(10**18 + number, 10**18 - number), follow_symlinks=False)
    times = {path: os.lstat(source / path) for path in paths}
    target = source.with_name("target")
    copy_tree(str(source), str(target))
    for path, status in times.items():
        made = os.lstat(target / path)
        assert (made.st_atime_ns, made.st_mtime_ns) == (status.st_atime_ns, status.st_mtime_ns), path


def test_times_before_the_epoch_are_kept(source: Path) -> None:
    os.utime(source, ns=(-(10**9) - 1, -(10**9) - 2))
    copied(source)


def test_hard_links_are_preserved(source: Path) -> None:
    (source / "a/b").mkdir(parents=True)
    (source / "file").write_bytes(b"x")
    (source / "link").symlink_to("x")
    os.mkfifo(source / "fifo")
    for name in ("file", "link", "fifo"):
        for place in ("a", "a/b", "."):
            os.link(source / name, source / place / f"{name} again", follow_symlinks=False)
    target = copied(source)
    assert (target / "file").stat().st_nlink == 4


def test_hard_links_outside_the_tree_are_ignored(source: Path, tmp_path: Path) -> None:
    (source / "file").touch()
    os.link(source / "file", tmp_path / "outside")
    assert (copied(source) / "file").stat().st_nlink == 1


def test_hard_links_may_be_too_deep_for_a_path(source: Path) -> None:
    (source / "top").write_bytes(b"x")
    top, fd = os.open(source, os.O_RDONLY), os.open(source, os.O_RDONLY)
    for _ in range(50):
        os.mkdir("d" * 255, dir_fd=fd)
        below = os.open("d" * 255, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.link("top", "first", src_dir_fd=top, dst_dir_fd=fd)
    with open(os.open("low", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as file:
        file.write(b"y")
    for name in ("second", "third"):
        os.link("low", name, src_dir_fd=fd, dst_dir_fd=fd)
    os.mkdir("e", dir_fd=fd)
    os.close(top)
    os.close(fd)
    copy_tree(str(source), str(source.with_name("target")))
    directory = os.open(source.with_name("target"), os.O_RDONLY)
    inode = os.stat("top", dir_fd=directory).st_ino
    for _ in range(50):
        below = os.open("d" * 255, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    assert os.stat("first", dir_fd=directory).st_ino == inode
    assert len({os.stat(name, dir_fd=directory).st_ino for name in ("low", "second", "third")}) == 1
    assert os.stat("e", dir_fd=directory).st_nlink >= 1
    os.close(directory)


def test_depth_has_no_limit_and_takes_few_open_files(source: Path) -> None:
    make_deep_tree(source / "deep", levels=2000)
    before, most = open_files(), 0

    def count_open_files(step: int) -> None:
        nonlocal most
        if step % 100 == 0:
            most = max(most, open_files(collect=False))

    with use(Steps(count_open_files)):
        copy_tree(str(source), str(source.with_name("target")))
    assert most < before + 50
    fd = os.open(source.with_name("target") / "deep", os.O_RDONLY)
    for _ in range(2000):
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    assert os.listdir(fd) == ["file"]
    os.close(fd)


def test_attributes_are_kept(source: Path) -> None:
    (source / "sub").mkdir()
    (source / "file").touch(0o400)
    for path in (source, source / "sub"):
        os.setxattr(path, "user.empty", b"")
    (source / "file").chmod(0o600)
    os.setxattr(source / "file", "user.large", bytes(range(256)) * 4)
    (source / "file").chmod(0o400)
    target = copied(source)
    assert os.listxattr(target) == ["user.empty"]


def test_access_control_lists_are_kept(source: Path) -> None:
    (source / "sub").mkdir()
    for name in ("file", "sub/file", "fifo"):
        os.mkfifo(source / name) if name == "fifo" else (source / name).touch(0o600)
        os.setxattr(source / name, "system.posix_acl_access", ACL)
    os.setxattr(source / "sub", "system.posix_acl_default", ACL)  # applies to new entries
    target = copied(source)
    assert os.getxattr(target / "sub", "system.posix_acl_default") == ACL
    assert os.listxattr(target / "sub/file") == ["system.posix_acl_access"]


def test_the_copy_inherits_nothing_from_the_parent_directory_of_the_target(source: Path, tmp_path: Path) -> None:
    (source / "sub").mkdir()
    (source / "sub/file").touch()
    around = tmp_path / "around"
    around.mkdir()
    os.setxattr(around, "system.posix_acl_default", ACL)
    around.chmod(0o2770)
    copy_tree(str(source), str(around / "target"))
    assert differences(read_tree(around / "target"), read_tree(source)) == []
    assert os.listxattr(around / "target") == []
    assert (around / "target").stat().st_mode == source.stat().st_mode


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [(0, 4096)],
        [(1 << 20, 4096)],
        [(0, 4096), (1 << 20, 200_000), (5 << 20, 10)],
        [((8 << 20) - 4096, 4096)],
    ],
    ids=["nothing", "begin", "middle", "several", "end"],
)
def test_sparse_files_stay_sparse(source: Path, parts: list[tuple[int, int]]) -> None:
    with (source / "file").open("wb") as file:
        for start, size in parts:
            file.seek(start)
            file.write(os.urandom(size))
        file.truncate(8 << 20)
    target = copied(source)
    assert data_parts(target / "file") == data_parts(source / "file")
    block = 8  # ext4 may take one to list the parts, whenever it writes them
    assert abs((target / "file").stat().st_blocks - (source / "file").stat().st_blocks) <= block


def test_a_small_sparse_file_stays_sparse(source: Path) -> None:
    (source / "file").touch()
    os.truncate(source / "file", 5000)
    assert (copied(source) / "file").stat().st_blocks == 0


def test_a_link_to_the_source_is_followed(source: Path) -> None:
    (source / "file").touch()
    link = source.with_name("link")
    link.symlink_to(source)
    copy_tree(str(link), str(source.with_name("target")))
    assert os.listdir(source.with_name("target")) == ["file"]


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_an_existing_target_is_unchanged(source: Path, kind: str) -> None:
    target = source.with_name("target")
    if kind == "directory":
        target.mkdir()
    elif kind == "file":
        target.touch()
    else:
        target.symlink_to("nowhere")
    with pytest.raises(AlreadyExists, match=f"copy {source} to {target}: .*File exists"):
        copy_tree(str(source), str(target))
    assert not target.is_dir() or os.listdir(target) == []


def test_a_missing_source_creates_no_target(source: Path) -> None:
    with pytest.raises(NotFound, match=r"copy .*missing to .*target"):
        copy_tree(f"{source}/missing", f"{source}/target")
    assert os.listdir(source) == []


def test_a_source_that_is_not_a_directory_is_refused(source: Path) -> None:
    (source / "file").touch()
    with pytest.raises(FailedPrecondition, match="Not a directory"):
        copy_tree(f"{source}/file", f"{source}/target")


@pytest.mark.parametrize("place", ["target", "sub/target"])
def test_a_target_inside_the_source_is_refused(source: Path, place: str) -> None:
    (source / "sub").mkdir()
    with pytest.raises(InvalidArgument, match="the target is inside the source"):
        copy_tree(str(source), str(source / place))
