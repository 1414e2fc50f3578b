"""What a layer deletes of the layers below, in one directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errdefs import InvalidArgument
from lamina.layers import Whiteouts
from tests.support.layers import TIME, Item, apply, directory, file, names, opaque, symlink, whiteout
from tests.support.trees import make_deep_tree

BASE = (directory("d", mtime=TIME), file("d/a"), file("d/b/c"), file("e"), symlink("s", "d"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with what the layers below have."""
    (tmp_path / "root").mkdir()
    apply(tmp_path / "root", *BASE)
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("deleted", "left"),
    [
        ("e", ["d", "d/a", "d/b", "d/b/c", "s"]),
        ("s", ["d", "d/a", "d/b", "d/b/c", "e"]),
        ("d", ["e", "s"]),
        ("d/b", ["d", "d/a", "e", "s"]),
        ("s/b", ["d", "d/a", "e", "s"]),
        ("missing", ["d", "d/a", "d/b", "d/b/c", "e", "s"]),
    ],
)
def test_a_whiteout_deletes_a_file_or_a_tree(root: Path, deleted: str, left: list[str]) -> None:
    apply(root, whiteout(deleted))
    assert names(root) == left


def test_a_directory_keeps_its_time_when_something_in_it_is_deleted(root: Path) -> None:
    apply(root, whiteout("d/a"), opaque("d"))
    assert (root / "d").stat().st_mtime_ns == TIME


def test_a_whiteout_in_a_missing_directory_implies_it(root: Path) -> None:
    apply(root, whiteout("x/y"))
    assert names(root)[-1] == "x"


def test_an_opaque_whiteout_deletes_what_is_in_a_directory(root: Path) -> None:
    apply(root, opaque("d"))
    assert names(root) == ["d", "e", "s"]


def test_an_opaque_whiteout_at_the_root_deletes_everything(root: Path) -> None:
    apply(root, file("new"), opaque(""))
    assert names(root) == ["new"]


@pytest.mark.parametrize("deletes", [opaque("d"), whiteout("d")])
@pytest.mark.parametrize("is_first", [True, False])
def test_what_the_layer_itself_brings_stays_in_any_order(root: Path, deletes: Item, is_first: bool) -> None:
    brought = (directory("d"), file("d/b/new"), file("d/own"))
    apply(root, *((deletes, *brought) if is_first else (*brought, deletes)))
    assert names(root) == ["d", "d/b", "d/b/new", "d/own", "e", "s"]


@pytest.mark.parametrize("deletes", [opaque("d"), whiteout("d"), whiteout("d/l")])
def test_a_symlink_that_is_deleted_leads_nowhere(root: Path, deletes: Item) -> None:
    apply(root, symlink("d/l", "../x"))
    apply(root, directory("d"), file("d/l/old"), deletes, file("d/l/new"))
    assert names(root)[-5:] == ["d/l/new", "e", "s", "x", "x/old"]


def test_what_the_layer_brings_in_new_directories_stays_too(root: Path) -> None:
    apply(root, file("new/sub/f"), opaque(""), file("new/sub/g"), opaque("new"), whiteout("new/sub"), opaque(""))
    assert names(root) == ["new", "new/sub", "new/sub/f", "new/sub/g"]


def test_a_file_is_not_deleted_by_a_whiteout_of_its_own_layer(root: Path) -> None:
    apply(root, file("e", b"new"), whiteout("e"))
    assert (root / "e").read_bytes() == b"new"


def test_nothing_is_deleted_if_there_are_no_layers_below(tmp_path: Path) -> None:
    for whiteouts in Whiteouts:
        root = tmp_path / whiteouts.value
        root.mkdir()
        apply(
            root, file("d/a"), whiteout("d/a"), whiteout("d/b"), opaque("d"), whiteouts=whiteouts, is_lowest=True
        )
        assert names(root) == ["d", "d/a"]


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."])
def test_a_whiteout_that_names_no_file_is_refused(root: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="names no file"):
        apply(root, file(name))
    assert len(names(root)) == 6


def test_nothing_lies_below_a_whiteout(root: Path) -> None:
    with pytest.raises(InvalidArgument, match="lies below a whiteout"):
        apply(root, file(".wh.d/x"))


def test_what_aufs_keeps_for_itself_is_passed_over(root: Path) -> None:
    apply(
        root, file(".wh..wh.aufs"), directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2"), file("d/.wh..wh.orph/x")
    )
    assert len(names(root)) == 6


def test_a_tree_of_any_depth_is_deleted(tmp_path: Path) -> None:
    make_deep_tree(tmp_path / "deep", 600)
    apply(tmp_path, whiteout("deep"))
    assert list(tmp_path.iterdir()) == []
