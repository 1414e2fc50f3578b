"""Changes in the upper directory of an overlay."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Canceled
from lamina.fs.changes import OPAQUE, overlay_changes


@pytest.fixture
def base(tmp_path: Path) -> Path:
    root = tmp_path / "base"
    (root / "dir/deeper").mkdir(parents=True)
    for name in ("file", "dir/file", "dir/deeper/leaf"):
        (root / name).write_text(name)
    return root


@pytest.fixture
def diff(tmp_path: Path) -> Path:
    root = tmp_path / "diff"
    root.mkdir()
    return root


def whiteout(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR, 0)  # this device needs no privilege: mknod(2)


def told(base: Path | str, diff: Path) -> list[tuple[str, str]]:
    return [(str(change.kind), change.path) for change in overlay_changes(str(base), str(diff))]


def test_an_empty_upper_directory_changes_nothing(base: Path, diff: Path) -> None:
    assert told(base, diff) == []


def test_entries_are_added_or_modified(base: Path, diff: Path) -> None:
    (diff / "file").write_text("other")
    (diff / "new").mkdir()
    (diff / "new/x").touch()
    assert told(base, diff) == [("modify", "/file"), ("add", "/new"), ("add", "/new/x")]


def test_a_whiteout_is_a_deletion(base: Path, diff: Path) -> None:
    whiteout(diff / "dir")
    assert told(base, diff) == [("delete", "/dir")]


def test_a_whiteout_of_nothing_is_the_addition_of_a_device(base: Path, diff: Path) -> None:
    whiteout(diff / "nothing")
    assert told(base, diff) == [("add", "/nothing")]


def test_an_opaque_directory_first_deletes_its_content(base: Path, diff: Path) -> None:
    (diff / "dir").mkdir()
    os.setxattr(diff / "dir", "user.overlay.opaque", b"y")
    (diff / "dir/new").touch()
    assert told(base, diff) == [("delete", f"/dir/{OPAQUE}"), ("modify", "/dir"), ("add", "/dir/new")]


def test_an_opaque_attribute_with_another_value_is_ignored(base: Path, diff: Path) -> None:
    (diff / "dir").mkdir()
    os.setxattr(diff / "dir", "user.overlay.opaque", b"x")
    assert told(base, diff) == []


def test_an_equal_directory_is_reported_before_additions_and_deletions_in_it(base: Path, diff: Path) -> None:
    (diff / "dir/deeper").mkdir(parents=True)
    (diff / "dir/deeper/new").touch()
    (diff / "dir/deeper/newer").touch()
    assert told(base, diff) == [
        ("modify", "/dir/deeper"),
        ("add", "/dir/deeper/new"),
        ("add", "/dir/deeper/newer"),
    ]


def test_an_equal_directory_is_not_reported_for_a_modification_in_it(base: Path, diff: Path) -> None:
    (diff / "dir/deeper").mkdir(parents=True)
    (diff / "dir/deeper/leaf").write_text("other")
    assert told(base, diff) == [("modify", "/dir/deeper/leaf")]


def test_a_directory_with_another_mode_is_reported_once(base: Path, diff: Path) -> None:
    (diff / "dir").mkdir(mode=0o700)
    whiteout(diff / "dir/file")
    assert told(base, diff) == [("modify", "/dir"), ("delete", "/dir/file")]


def test_a_directory_in_place_of_a_file_is_reported_with_its_entries(base: Path, diff: Path) -> None:
    (diff / "file").mkdir()
    (diff / "file/x").touch()
    assert told(base, diff) == [("modify", "/file"), ("add", "/file/x")]


def test_compared_with_an_empty_tree_everything_is_added(diff: Path) -> None:
    (diff / "dir").mkdir()
    (diff / "dir/x").touch()
    assert told("", diff) == [("add", "/dir"), ("add", "/dir/x")]


def test_a_cancelled_call_ends(base: Path, diff: Path) -> None:
    (diff / "x").touch()
    context = CallContext()
    context.cancel()
    with use(context), pytest.raises(Canceled):
        told(base, diff)
