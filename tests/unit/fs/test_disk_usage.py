from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Aborted, Canceled, DeadlineExceeded, NotFound
from lamina.fs import disk_usage
from tests.support.trees import Steps, make_deep_tree, open_files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "sub/deeper").mkdir(parents=True)
    (root / "file").write_bytes(b"x" * 10_000)
    os.link(root / "file", root / "sub/same file")
    (root / "sub/deeper/other").write_bytes(b"y")
    (root / "link").symlink_to("/")
    os.mkfifo(root / "sub/fifo")
    with (root / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
    return root


@pytest.fixture
def deep_tree(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "deep"
    make_deep_tree(root, levels=5000)
    yield root
    subprocess.run(["rm", "-rf", root], check=True)  # pytest cannot remove such deep trees


def du(*roots: Path) -> tuple[int, int]:
    def total(*options: str) -> int:
        command = ["du", "--total", "--summarize", *options, *map(str, roots)]
        return int(subprocess.run(command, check=True, capture_output=True).stdout.split()[-2])

    return total("--block-size=1"), total("--inodes")


def test_counts_what_du_counts(tree: Path) -> None:
    assert disk_usage(str(tree)) == du(tree)


def test_an_inode_with_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/one").write_bytes(b"x")
    before = disk_usage(str(tmp_path / "root"))
    os.link(tmp_path / "root/one", tmp_path / "root/two")
    assert disk_usage(str(tmp_path / "root")) == before


def test_an_inode_counts_once_across_roots(tree: Path) -> None:
    (tree.parent / "second").mkdir()
    os.link(tree / "file", tree.parent / "second/file")
    assert disk_usage(str(tree), str(tree.parent / "second")) == du(tree, tree.parent / "second")


@pytest.mark.parametrize(
    "more", [["."], ["sub"], ["sub/deeper", "sub"], ["file"], ["sub/deeper/other", "sub/deeper/other"], ["link"]]
)
def test_roots_may_overlap(tree: Path, more: list[str]) -> None:
    roots = [str(tree / name) for name in more]
    assert disk_usage(str(tree), *roots) == disk_usage(*roots, str(tree)) == disk_usage(str(tree))


def test_no_roots_use_no_space() -> None:
    assert disk_usage() == (0, 0)


def test_a_root_that_is_a_file_counts_itself(tree: Path) -> None:
    assert disk_usage(str(tree / "file")) == ((tree / "file").stat().st_blocks * 512, 1)


def test_a_root_that_is_a_link_is_not_followed(tree: Path) -> None:
    assert disk_usage(str(tree / "link")) == ((tree / "link").lstat().st_blocks * 512, 1)


def test_a_hole_uses_no_space(tree: Path) -> None:
    assert disk_usage(str(tree / "sparse")) == (0, 1)


def test_names_need_not_be_utf8(tmp_path: Path) -> None:
    os.makedirs(os.fsencode(tmp_path) + b"/\xff\xfe/\x80")
    assert disk_usage(str(tmp_path)) == du(tmp_path)
    assert disk_usage(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe")) == du(tmp_path / "\udcff\udcfe")


def test_a_socket_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert disk_usage(str(tmp_path)) == du(tmp_path)


def test_a_missing_root_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=f"{tmp_path}/missing: No such file"):
        disk_usage(str(tmp_path), str(tmp_path / "missing"))


def test_depth_has_no_limit(deep_tree: Path) -> None:
    before = open_files()
    most = 0

    def count_open_files(step: int) -> None:
        nonlocal most
        if step % 100 == 0:
            most = max(most, open_files(collect=False))

    with use(Steps(count_open_files)):
        _, inodes = disk_usage(str(deep_tree))
    assert inodes == 5002
    assert most < before + 30


def test_all_deep_branches_are_visited(tmp_path: Path) -> None:
    """The walk returns to directories that were closed, and descends again."""
    for depth in (1, 20, 25, 39, 40):
        (tmp_path / ("d/" * depth) / "branch/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b/b").mkdir(parents=True)
    assert disk_usage(str(tmp_path)) == du(tmp_path)


def test_vanishing_entries_are_not_an_error(tmp_path: Path) -> None:
    """At each step of the walk in turn, everything below the root is removed."""
    for at in range(1, 100):
        root = tmp_path / str(at)
        for name in ("a", "b", "c"):
            (root / name / "sub/sub").mkdir(parents=True)
            (root / name / "file").touch()

        def empty(step: int, at: int = at, root: Path = root) -> None:
            if step == at:
                for name in ("a", "b", "c"):
                    shutil.rmtree(root / name)

        context = Steps(empty)
        with use(context):
            _, inodes = disk_usage(str(root))
        assert 1 <= inodes <= 13
        if context.checks < at:
            break
    assert context.checks == 12


def test_a_directory_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "root/sub").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()

    def replace(_: int) -> None:
        if not (tmp_path / "root/sub").is_symlink():
            (tmp_path / "root/sub").rmdir()
            (tmp_path / "root/sub").symlink_to(tmp_path / "other")

    with use(Steps(replace)):
        _, inodes = disk_usage(str(tmp_path / "root"))
    assert inodes == 2


def test_moving_a_directory_aborts_a_deep_walk_inside_it(tmp_path: Path) -> None:
    make_deep_tree(tmp_path / "root", levels=60)
    (tmp_path / "elsewhere").mkdir()

    def move(step: int) -> None:
        if step == 60:
            os.rename(tmp_path / "root" / "/".join("d" * 10), tmp_path / "elsewhere/d")

    with use(Steps(move)), pytest.raises(Aborted, match="was moved meanwhile"):
        disk_usage(str(tmp_path / "root"))


def test_a_cancelled_walk_ends_at_the_next_entry(tree: Path) -> None:
    def cancel(step: int) -> None:
        if step == 3:
            context.cancel()

    before = open_files()
    context = Steps(cancel)
    with use(context), pytest.raises(Canceled):
        disk_usage(str(tree))
    assert context.checks == 3
    assert open_files() == before


def test_a_walk_past_its_deadline_ends(tree: Path) -> None:
    with use(CallContext(deadline=0)), pytest.raises(DeadlineExceeded):
        disk_usage(str(tree))
