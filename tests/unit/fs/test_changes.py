"""Changes between two trees."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DeadlineExceeded, FailedPrecondition, NotFound
from lamina.fs.changes import Change, ChangeKind, changes
from tests.support.trees import make_deep_tree, open_files

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


def told(old: Path | str, new: Path) -> list[tuple[str, str]]:
    return [(str(change.kind), change.path) for change in changes(str(old), str(new))]


def test_trees_with_the_same_content_and_times_do_not_differ(trees: tuple[Path, Path]) -> None:
    assert told(*trees) == []


def test_compared_with_an_empty_tree_everything_is_added(trees: tuple[Path, Path]) -> None:
    paths = ["/dir", "/dir/deeper", "/dir/deeper/leaf", "/dir/file", "/fifo", "/link"]
    assert told("", trees[1]) == [("add", path) for path in paths]


def test_changes_are_in_byte_order_with_entries_right_after_their_directory(tmp_path: Path) -> None:
    for name in ("a", "a-b", "a.b", "é", "Z", "\U00010000", "\uffff"):
        (tmp_path / "new" / name).mkdir(parents=True)
        (tmp_path / "new" / name / "x").touch()
    found = [path for _, path in told("", tmp_path / "new")]
    assert found == sorted(found, key=lambda path: os.fsencode(path).replace(b"/", b"\0"))
    assert len(found) == 14


def test_names_that_are_not_unicode_are_reported(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / os.fsdecode(b"\xff\xfe")).touch()
    assert told("", tmp_path / "new") == [("add", "/\udcff\udcfe")]


CHANGED: dict[str, tuple[Callable[[Path], Any], list[tuple[str, str]]]] = {
    "content": (lambda root: (root / "dir/file").write_text("CONTENT"), [("modify", "/dir/file")]),
    "mode": (lambda root: (root / "dir/file").chmod(0o600), [("modify", "/dir/file")]),
    "mode of a directory": (lambda root: (root / "dir/deeper").chmod(0o700), [("modify", "/dir/deeper")]),
    "time of a file": (lambda root: os.utime(root / "dir/file", ns=(0, 1)), [("modify", "/dir/file")]),
    "time of a directory": (lambda root: os.utime(root / "dir", ns=(0, 1)), []),
    "time of the root": (lambda root: os.utime(root, ns=(0, 1)), []),
    "an attribute of the user's": (lambda root: os.setxattr(root / "dir/file", "user.x", b"1"), []),
    "a removed file": (lambda root: (root / "dir/deeper/leaf").unlink(), [("delete", "/dir/deeper/leaf")]),
    "a removed directory": (lambda root: shutil.rmtree(root / "dir"), [("delete", "/dir")]),
    "a new file": (lambda root: (root / "dir/z").touch(), [("add", "/dir/z")]),
    "a new directory": (lambda root: (root / "a/b").mkdir(parents=True), [("add", "/a"), ("add", "/a/b")]),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_change_is_reported(trees: tuple[Path, Path], name: str) -> None:
    change, expected = CHANGED[name]
    change(trees[1])
    assert told(*trees) == expected


def test_a_directory_that_became_a_file_is_one_change(trees: tuple[Path, Path]) -> None:
    shutil.rmtree(trees[1] / "dir")
    (trees[1] / "dir").touch()
    assert told(*trees) == [("modify", "/dir")]


def test_a_file_that_became_a_directory_is_reported_with_its_entries(trees: tuple[Path, Path]) -> None:
    (trees[1] / "dir/file").unlink()
    (trees[1] / "dir/file/x").mkdir(parents=True)
    assert told(*trees) == [("modify", "/dir/file"), ("add", "/dir/file/x")]


def test_content_is_compared_if_both_times_are_whole_seconds(trees: tuple[Path, Path]) -> None:
    (trees[1] / "dir/file").write_text("CONTENT")
    for root in trees:
        os.utime(root / "dir/file", ns=(0, 5 * SECONDS))
    assert told(*trees) == [("modify", "/dir/file")]
    (trees[1] / "dir/file").write_text("content")
    os.utime(trees[1] / "dir/file", ns=(0, 5 * SECONDS))
    assert told(*trees) == []


def test_link_targets_are_compared_if_both_times_are_whole_seconds(trees: tuple[Path, Path]) -> None:
    (trees[1] / "link").unlink()
    (trees[1] / "link").symlink_to("dir/elif")
    for root in trees:
        os.utime(root / "link", ns=(0, 5 * SECONDS), follow_symlinks=False)
    assert told(*trees) == [("modify", "/link")]


def test_equal_times_with_fractional_seconds_mean_equal_files(trees: tuple[Path, Path]) -> None:
    (trees[1] / "dir/file").write_text("CONTENT")
    for root in trees:
        os.utime(root / "dir/file", ns=(0, 5 * SECONDS + 1))
    assert told(*trees) == []


def test_unchanged_files_with_several_links_are_reported(trees: tuple[Path, Path]) -> None:
    for root in trees:
        os.link(root / "dir/file", root / "dir/other name")
    assert told(*trees) == [("unmodified", "/dir/file"), ("unmodified", "/dir/other name")]


def test_the_same_inode_is_the_same_file(trees: tuple[Path, Path]) -> None:
    (trees[1] / "dir/file").unlink()
    os.link(trees[0] / "dir/file", trees[1] / "dir/file")
    assert told(*trees) == [("unmodified", "/dir/file")]


def test_links_to_directories_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/link").symlink_to("/")
    assert told(tmp_path / "old", tmp_path / "new") == [("add", "/link")]


def test_a_root_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="absent"):
        told(tmp_path, tmp_path / "absent")
    with pytest.raises(NotFound, match="absent"):
        told(tmp_path / "absent", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FailedPrecondition, match="file"):
        told(tmp_path, tmp_path / "file")


def test_a_cancelled_call_ends(trees: tuple[Path, Path]) -> None:
    context = CallContext()
    context.cancel()
    with use(context), pytest.raises(Canceled):
        told(*trees)
    with use(CallContext(deadline=0.0)), pytest.raises(DeadlineExceeded):
        told(*trees)


def test_a_directory_that_vanishes_counts_as_empty(trees: tuple[Path, Path]) -> None:
    found = changes("", str(trees[1]))
    assert next(found) == Change(ChangeKind.ADD, "/dir")
    shutil.rmtree(trees[1] / "dir")
    assert [change.path for change in found] == ["/fifo", "/link"]


def test_closing_the_generator_closes_its_descriptors(trees: tuple[Path, Path]) -> None:
    before = open_files()
    found = changes(str(trees[0]), str(trees[1]))
    shutil.rmtree(trees[1] / "dir")
    assert next(found) == Change(ChangeKind.DELETE, "/dir")
    assert open_files() > before
    found.close()
    assert open_files() == before


@pytest.fixture
def deep_trees(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    roots = tmp_path / "old", tmp_path / "new"
    for root in roots:
        make_deep_tree(root, levels=3000)
    yield roots
    subprocess.run(["rm", "-rf", *roots], check=True)  # pytest cannot remove such deep trees


def test_no_tree_is_too_deep(deep_trees: tuple[Path, Path]) -> None:
    assert told(*deep_trees) == [("modify", "/d" * 3000 + "/file")]


NAMES = st.sampled_from(["a", "b", "c"])
NODES = st.recursive(
    st.one_of(st.binary(max_size=2), st.sampled_from(["target", "other"])),
    lambda children: st.dictionaries(NAMES, children, max_size=3),
    max_leaves=8,
)
TREES = st.dictionaries(NAMES, NODES, max_size=3)
Node = bytes | str | dict[str, Any]


def build(path: Path, node: Node) -> None:
    """Create a directory for a dict, a file for bytes, and a symbolic link for a str, all with the same time."""
    match node:
        case bytes():
            path.write_bytes(node)
        case str():
            path.symlink_to(node)
        case _:
            path.mkdir()
            for name, child in node.items():
                build(path / name, child)
    os.utime(path, ns=(0, 0), follow_symlinks=False)


def find(node: Node, path: str) -> Node:
    for name in path.split("/")[1:]:
        assert isinstance(node, dict)
        node = node[name]
    return node


def apply(change: Change, tree: dict[str, Any], later: dict[str, Any]) -> None:
    """Apply a change to `tree`, with new content from `later`."""
    parent, _, name = change.path.rpartition("/")
    directory = find(tree, parent)
    assert isinstance(directory, dict)
    if change.kind is ChangeKind.DELETE:
        del directory[name]
        return
    assert (change.kind is ChangeKind.ADD) == (name not in directory)
    new = find(later, change.path)
    directory[name] = {} if isinstance(new, dict) else new


@given(old=TREES, new=TREES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_changes_applied_to_one_tree_give_the_other(
    tmp_path_factory: pytest.TempPathFactory, old: dict[str, Any], new: dict[str, Any]
) -> None:
    root = tmp_path_factory.mktemp("trees")
    build(root / "old", old)
    build(root / "new", new)
    for change in changes(str(root / "old"), str(root / "new")):
        apply(change, old, new)
    assert old == new
    shutil.rmtree(root)
