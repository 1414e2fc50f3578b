"""The layer of two directories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lamina.errdefs import Aborted, FailedPrecondition
from lamina.layers import EntryType, TarWriter
from lamina.layers.comparing import opened_comparison
from tests.support.comparing import changes, entries, layer, shown

SECOND = 1_000_000_000
TIME = 1_000_000_000 * SECOND + 1


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """A tree, and a copy of it with the same times and hard links."""
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "dir/below").mkdir(parents=True)
    for name in ("a", "b", "dir/below/leaf", "dir/file"):
        (old / name).write_text(name)
    for name in ("dir/one", "two"):
        os.link(old / "a", old / name)
    for path in old.rglob("*"):
        os.utime(path, ns=(TIME, TIME))
    subprocess.run(["cp", "-a", old, new], check=True)
    return old, new


def told(trees: tuple[Path, Path]) -> list[tuple[bytes, bytes]]:
    """The names of the entries, and the targets of links."""
    return [(entry.name, entry.link) for entry in entries(*map(shown, trees)).entries]


def test_equal_trees_have_an_empty_layer(trees: tuple[Path, Path]) -> None:
    assert layer(*map(shown, trees)) == bytes(1024)


def test_directories_above_a_change_are_written_and_the_root_is_not(trees: tuple[Path, Path]) -> None:
    (trees[1] / "dir/below/leaf").chmod(0o600)
    assert told(trees) == [(b"dir/", b""), (b"dir/below/", b""), (b"dir/below/leaf", b"")]


def test_a_root_that_differs_comes_first(trees: tuple[Path, Path]) -> None:
    trees[1].chmod(0o711)
    (trees[1] / "!").touch()
    assert told(trees) == [(b"./", b""), (b"!", b"")]


def test_deletions_are_empty_files_with_mode_and_time_0(trees: tuple[Path, Path]) -> None:
    (trees[1] / "b").unlink()
    (whiteout,) = entries(*map(shown, trees)).entries
    assert (whiteout.name, whiteout.type, whiteout.size) == (b".wh.b", EntryType.FILE, 0)
    assert (whiteout.mode, whiteout.uid, whiteout.gid, whiteout.mtime) == (0, 0, 0, 0)


def test_the_names_of_a_changed_file_are_written_together(trees: tuple[Path, Path]) -> None:
    (trees[1] / "two").chmod(0o600)
    found = entries(*map(shown, trees))
    assert [(entry.name, entry.type) for entry in found.entries] == [
        (b"a", EntryType.FILE),
        (b"dir/", EntryType.DIRECTORY),
        (b"dir/one", EntryType.HARD_LINK),
        (b"two", EntryType.HARD_LINK),
    ]
    assert {entry.link for entry in found.entries} == {b"", b"a"}
    assert {entry.mode for entry in found.entries if entry.type is EntryType.HARD_LINK} == {0o600}


def test_a_new_name_brings_all_names(trees: tuple[Path, Path]) -> None:
    os.link(trees[1] / "b", trees[1] / "c")
    assert told(trees) == [(b"b", b""), (b"c", b"b")]


def test_a_deleted_name_brings_no_other(trees: tuple[Path, Path]) -> None:
    (trees[1] / "two").unlink()
    assert told(trees) == [(b".wh.two", b"")]


def test_all_parts_of_a_split_file_but_the_first_are_written(trees: tuple[Path, Path]) -> None:
    for name in ("a", "two"):
        subprocess.run(["cp", "-a", trees[1] / name, trees[1] / "copy"], check=True)
        (trees[1] / "copy").rename(trees[1] / name)
    assert told(trees) == [(b"dir/", b""), (b"dir/one", b""), (b"two", b"")]


def test_files_that_became_one_are_written(trees: tuple[Path, Path]) -> None:
    (trees[0] / "b").write_text("a")
    os.utime(trees[0] / "b", ns=(TIME, TIME))
    (trees[1] / "b").unlink()
    os.link(trees[1] / "a", trees[1] / "b")
    assert told(trees) == [(b"a", b""), (b"b", b"a"), (b"dir/", b""), (b"dir/one", b"a"), (b"two", b"a")]


def test_times_are_at_most_that_of_the_newest_file(trees: tuple[Path, Path]) -> None:
    (trees[1] / "dir/file").write_text("x")
    (trees[1] / "b").write_text("y")
    os.utime(trees[1] / "b", ns=(0, TIME + 5))
    os.utime(trees[1] / "dir/file", ns=(0, -5))
    times = {entry.name: entry.mtime for entry in entries(*map(shown, trees)).entries}
    assert times == {b"b": TIME + 5, b"dir/": TIME + 5, b"dir/file": -5}


def test_times_are_at_most_source_date_epoch(trees: tuple[Path, Path]) -> None:
    (trees[1] / "dir/file").write_text("x")
    (trees[1] / "b").chmod(0o600)
    os.utime(trees[1] / "b", ns=(0, 5))
    found = entries(*map(shown, trees), source_date_epoch=17)
    times = {entry.name: entry.mtime for entry in found.entries}
    assert times == {b"b": 5, b"dir/": 17 * SECOND, b"dir/file": 17 * SECOND}


def test_a_layer_without_files_has_the_time_0(trees: tuple[Path, Path]) -> None:
    (trees[1] / "dir/new").mkdir()
    assert {entry.mtime for entry in entries(*map(shown, trees)).entries} == {0}


@pytest.mark.parametrize("path", [".wh.x", "dir/.wh..wh..opq"])
def test_names_of_whiteouts_cannot_be_written(trees: tuple[Path, Path], path: str) -> None:
    (trees[1] / path).touch()
    assert changes(*map(shown, trees)) == [("add", path)]
    with pytest.raises(FailedPrecondition, match=f"{path} has a name that starts with .wh., which"):
        layer(*map(shown, trees))
    with pytest.raises(FailedPrecondition, match="deletions"):
        layer(*map(shown, reversed(trees)))


def test_names_of_whiteouts_that_do_not_differ_do_no_harm(trees: tuple[Path, Path]) -> None:
    for tree in trees:
        (tree / ".wh.x").touch()
        os.utime(tree / ".wh.x", (0, 0))
    assert told(trees) == []


@pytest.mark.parametrize("data", ["longer", "x", "LEAF"])
def test_a_file_that_changes_while_it_is_read_ends_the_layer(trees: tuple[Path, Path], data: str) -> None:
    path = trees[1] / "dir/below/leaf"
    os.utime(path, (1, 1))  # else both writes may have the same time, within one tick

    def write(_: int) -> None:
        path.write_text(data)

    with (
        opened_comparison(*map(shown, trees)) as comparison,
        pytest.raises(Aborted, match="changed while it was read; try again"),
    ):
        comparison.write(TarWriter(lambda _: None), progress=write)


@pytest.mark.parametrize("name", ["dir/file", "dir"])
def test_what_vanishes_before_it_is_read_ends_the_layer(trees: tuple[Path, Path], name: str) -> None:
    (trees[1] / "dir/file").chmod(0o600)
    with opened_comparison(*map(shown, trees)) as comparison:
        (trees[1] / name).rename(trees[1] / "other")
        with pytest.raises(Aborted, match="changed while it was read; try again"):
            comparison.write(TarWriter(lambda _: None))


def test_what_replaced_a_file_is_not_opened(trees: tuple[Path, Path]) -> None:
    path = trees[1] / "dir/file"
    path.chmod(0o600)
    with opened_comparison(*map(shown, trees)) as comparison:
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(Aborted, match="changed while it was read; try again"):
            comparison.write(TarWriter(lambda _: None))


def test_entries_are_counted_and_data_is_reported(trees: tuple[Path, Path]) -> None:
    (trees[1] / "dir/file").write_text("12345")
    (trees[1] / "b").write_text("123")
    done: list[int] = []
    with opened_comparison(*map(shown, trees)) as comparison:
        assert comparison.write(TarWriter(lambda _: None), progress=done.append) == 3
    assert done == [3, 8]
