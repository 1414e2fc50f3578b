"""Comparisons of trees."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.testing import differences, read_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "dir").mkdir(parents=True)
    (root / "file").write_text("content")
    os.link(root / "file", root / "dir/same")
    (root / "link").symlink_to("file")
    os.mkfifo(root / "fifo")
    os.setxattr(root / "file", "user.x", b"1")
    os.utime(root / "file", (1, 1))  # else both writes may have the same time, within one tick
    return root


@pytest.fixture
def copy(tree: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-a", tree, tmp_path / "copy"], check=True)
    return tmp_path / "copy"


def test_an_exact_copy_is_equal(tree: Path, copy: Path) -> None:
    assert read_tree(tree).keys() == {".", "dir", "dir/same", "file", "link", "fifo"}
    assert differences(read_tree(copy), read_tree(tree)) == []


def other_content_of_the_same_length(path: Path) -> None:
    times = path.stat()
    path.write_text("CONTENT")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def split(root: Path) -> None:
    times = (root / "file").stat()
    (root / "dir/same").unlink()
    subprocess.run(["cp", "-a", root / "file", root / "dir/same"], check=True)
    directory = (root.parent / "tree/dir").stat()
    os.utime(root / "dir/same", ns=(times.st_atime_ns, times.st_mtime_ns))
    os.utime(root / "dir", ns=(directory.st_atime_ns, directory.st_mtime_ns))


def retarget(root: Path) -> None:
    time, time_of_root = os.lstat(root / "link").st_mtime_ns, root.stat().st_mtime_ns
    (root / "link").unlink()
    (root / "link").symlink_to("elif")
    os.utime(root / "link", ns=(time, time), follow_symlinks=False)
    os.utime(root, ns=(time_of_root, time_of_root))


CHANGES: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "content": (
        lambda root: other_content_of_the_same_length(root / "file"),
        ["'dir/same': content is", "'file': content is"],
    ),
    "mode": (lambda root: (root / "dir").chmod(0o700), ["'dir': mode is 448, expected 493"]),
    "mode of the root": (lambda root: root.chmod(0o700), ["'.': mode is 448, expected 493"]),
    "time by a nanosecond": (
        lambda root: os.utime(root / "fifo", ns=(0, os.lstat(root / "fifo").st_mtime_ns + 1)),
        ["'fifo': mtime is"],
    ),
    "attribute": (
        lambda root: os.setxattr(root / "file", "user.x", b"2"),
        ["'dir/same': xattrs is", "'file': xattrs is"],
    ),
    "links": (split, ["'dir/same': links is ()", "'file': links is ()"]),
    "target": (retarget, ["'link': content is 'elif', expected 'file'"]),
    "size": (
        lambda root: (root / "file").write_text("other"),
        ["'dir/same': content", "'dir/same': mtime", "'dir/same': size", "'file': c", "'file': m", "'file': s"],
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_difference_is_reported(tree: Path, copy: Path, what: str) -> None:
    change, expected = CHANGES[what]
    change(copy)
    found = differences(read_tree(copy), read_tree(tree))
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


def test_missing_and_unexpected_entries_are_reported(tree: Path, copy: Path) -> None:
    (copy / "fifo").rename(copy / "pipe")
    found = differences(read_tree(copy, times=False), read_tree(tree, times=False))
    assert found == ["'fifo': missing", "'pipe': unexpected"]


def test_another_type_is_reported(tree: Path, copy: Path) -> None:
    (copy / "fifo").unlink()
    (copy / "fifo").mkdir()
    assert "'fifo': type is 'directory', expected 'FIFO'" in differences(read_tree(copy), read_tree(tree))


def test_times_can_be_left_out(tree: Path, copy: Path) -> None:
    os.utime(copy / "dir", ns=(0, 0))
    assert differences(read_tree(copy, times=False), read_tree(tree, times=False)) == []


def test_names_in_the_root_can_be_left_out(tree: Path) -> None:
    (tree / "lost+found").mkdir()
    (tree / "lost+found/inner").touch()
    (tree / "dir/lost+found").touch()
    found = read_tree(tree, ignore={"lost+found"})
    assert found.keys() == {".", "dir", "dir/same", "dir/lost+found", "file", "link", "fifo"}


def test_devices_are_distinguished_by_their_numbers(tmp_path: Path) -> None:
    null = read_tree("/dev", ignore=set(os.listdir("/dev")) - {"null"})["null"]
    assert (null.type, null.device) == ("character device", (1, 3))
