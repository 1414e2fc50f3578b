"""What differs between two directories."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Aborted, Canceled, NotFound
from lamina.fs import remove_tree
from lamina.layers.comparing import ChangeKind, opened_comparison
from tests.support.comparing import changes, shown
from tests.support.trees import Steps, make_deep_tree, open_files

SECONDS = 1_000_000_000


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """A tree, and a copy of it with the same times."""
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "dir/deeper").mkdir(parents=True)
    (old / "dir/file").write_text("content")
    (old / "dir/deeper/leaf").write_text("leaf")
    (old / "link").symlink_to("dir/file")
    os.mkfifo(old / "fifo")
    subprocess.run(["cp", "-a", old, new], check=True)
    return old, new


def told(old: Path | None, new: Path) -> list[tuple[str, str]]:
    return changes(shown(old) if old else [], shown(new))


def test_a_copy_does_not_differ(trees: tuple[Path, Path]) -> None:
    assert told(*trees) == []


def test_compared_with_an_empty_tree_everything_is_added(trees: tuple[Path, Path]) -> None:
    paths = ["dir", "dir/deeper", "dir/deeper/leaf", "dir/file", "fifo", "link"]
    assert told(None, trees[1]) == [("add", path) for path in paths]


def test_changes_are_in_the_order_of_the_layer(tmp_path: Path) -> None:
    for name in ("a", "a-b", "a.b", "é", "Z", "\U00010000", "\uffff"):
        (tmp_path / "new" / name).mkdir(parents=True)
        (tmp_path / "new" / name / "x").touch()
    found = [os.fsencode(path) for _, path in told(None, tmp_path / "new")]
    names = [path if path.endswith(b"x") else path + b"/" for path in found]
    assert names == sorted(names)
    assert len(names) == 14


def test_names_that_are_not_unicode_are_bytes(tmp_path: Path) -> None:
    name = b"\xff\n"
    (tmp_path / "new").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "new") + b"/" + name)).touch()
    with opened_comparison([], shown(tmp_path / "new")) as comparison:
        assert [change.path for change in comparison.changes] == [name]


def _touch(path: Path) -> None:
    status = path.lstat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1), follow_symlinks=False)


def _rewrite(path: Path) -> None:
    status = path.stat()
    path.write_text("CONTENT")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _retarget(path: Path) -> None:
    status = path.lstat()
    path.unlink()
    path.symlink_to("dir/FILE")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("dir/file", lambda path: path.chmod(0o4711)),
        ("dir/file", lambda path: path.write_text("longer content")),
        ("dir/file", _touch),
        ("dir/file", _rewrite),
        ("dir/file", lambda path: os.setxattr(path, "user.x", b"1")),
        ("link", _touch),
        ("link", _retarget),
        ("fifo", _touch),
        ("dir/deeper", lambda path: path.chmod(0o700)),
        ("dir/deeper", lambda path: os.setxattr(path, "user.x", b"1")),
        ("", lambda path: path.chmod(0o711)),
    ],
    ids=[
        "mode",
        "size",
        "time",
        "content",
        "xattr",
        "link-time",
        "target",
        "fifo",
        "directory",
        "its-xattr",
        "root",
    ],
)
def test_everything_that_belongs_to_a_path_counts(
    trees: tuple[Path, Path], path: str, change: Callable[[Path], object]
) -> None:
    change(trees[1] / path)
    assert told(*trees) == [("modify", path)]


def test_times_of_directories_and_sockets_do_not_count(trees: tuple[Path, Path]) -> None:
    os.utime(trees[1] / "dir", (1, 1))
    (trees[1] / "link").unlink()
    with socket.socket(socket.AF_UNIX) as bound:
        directory = os.open(trees[1], os.O_PATH)
        bound.bind(f"/proc/self/fd/{directory}/link")
        os.close(directory)
    assert told(*trees) == [("delete", "link")]


def test_a_file_in_place_of_a_directory_and_the_reverse_are_modified(trees: tuple[Path, Path]) -> None:
    subprocess.run(["rm", "-r", trees[1] / "dir", trees[1] / "fifo"], check=True)
    (trees[1] / "dir").touch()
    (trees[1] / "fifo").mkdir()
    (trees[1] / "fifo/x").touch()
    assert told(*trees) == [("modify", "dir"), ("modify", "fifo"), ("add", "fifo/x")]


def test_a_deleted_directory_is_one_change(trees: tuple[Path, Path]) -> None:
    subprocess.run(["rm", "-r", trees[1] / "dir"], check=True)
    assert told(*trees) == [("delete", "dir")]


def test_sizes_are_those_of_content(trees: tuple[Path, Path]) -> None:
    with opened_comparison([], shown(trees[1])) as comparison:
        sizes = {change.path: change.size for change in comparison.changes}
    assert sizes == {b"dir": 0, b"dir/deeper": 0, b"dir/deeper/leaf": 4, b"dir/file": 7, b"fifo": 0, b"link": 0}
    with opened_comparison(shown(trees[1]), shown(trees[1] / "dir")) as comparison:
        assert {change.size for change in comparison.changes if change.kind is ChangeKind.DELETE} == {0}


def test_of_all_paths_one_is_in_memory(tmp_path: Path) -> None:
    """They would need 18 MB."""
    make_deep_tree(tmp_path / "new", 3000, "d" * 3)
    with opened_comparison([], shown(tmp_path / "new")) as comparison:
        pass
    tracemalloc.start()
    try:
        lengths = [len(change.path) for change in comparison.changes]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lengths == [*range(3, 4 * 3000, 4), 4 * 3000 + 4]
    assert peak < 1_000_000
    remove_tree(str(tmp_path / "new"))


def test_a_tree_may_be_deeper_than_the_longest_path_and_than_open_files_allow(tmp_path: Path) -> None:
    make_deep_tree(tmp_path / "old", 1)
    make_deep_tree(tmp_path / "new", 3000)
    found = told(tmp_path / "old", tmp_path / "new")
    assert found[-1] == ("add", "d/" * 3000 + "file")
    assert found[0] == ("delete", "d/file")
    remove_tree(str(tmp_path / "new"))


def test_nothing_stays_open(trees: tuple[Path, Path]) -> None:
    before = open_files()
    told(*trees)
    assert open_files() == before


def test_a_missing_root_is_an_error(trees: tuple[Path, Path]) -> None:
    with pytest.raises(NotFound):
        told(trees[0], trees[1] / "missing")
    with pytest.raises(NotFound):
        told(trees[0] / "missing", trees[1])


def test_a_cancelled_call_ends(trees: tuple[Path, Path]) -> None:
    context = CallContext()
    context.cancel()
    with use(context), pytest.raises(Canceled):
        told(*trees)


def test_a_directory_that_is_moved_away_meanwhile_ends_the_comparison(tmp_path: Path) -> None:
    make_deep_tree(tmp_path / "old", 40)
    make_deep_tree(tmp_path / "new", 40)

    def move(number: int) -> None:
        if number == 60:
            (tmp_path / "new/d/d").rename(tmp_path / "elsewhere")

    with use(Steps(move)), pytest.raises(Aborted, match="try again"):
        told(tmp_path / "old", tmp_path / "new")
    assert stat.S_ISDIR((tmp_path / "elsewhere").lstat().st_mode)
