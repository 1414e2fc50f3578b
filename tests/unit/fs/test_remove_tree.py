from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lamina.context import use
from lamina.errdefs import Aborted, Canceled, FailedPrecondition, InvalidArgument
from lamina.fs import remove_tree
from tests.support.trees import Steps, make_deep_tree, open_files


def test_files_of_all_types_are_removed(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    (root / "sub/deeper").mkdir(parents=True)
    (root / "file").write_bytes(b"x")
    os.mkfifo(root / "sub/fifo")
    (root / "sub/link").symlink_to("missing")
    os.mkdir(os.fsencode(root) + b"/\xff\xfe")
    remove_tree(str(root))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["", "/", "//"])
def test_slashes_at_the_end_do_not_matter(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "tree/sub").mkdir(parents=True)
    remove_tree(f"{tmp_path}/tree{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tree/sub").mkdir(parents=True)
    remove_tree("tree")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_removed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    remove_tree(str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(tmp_path / "kept")
    (tmp_path / "root").symlink_to(tmp_path / "kept")
    remove_tree(str(tmp_path / "tree"))
    remove_tree(str(tmp_path / "root"))
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "kept", tmp_path / "kept/file"]


@pytest.mark.parametrize("path", ["missing", "missing/below"])
def test_a_missing_path_is_not_an_error(tmp_path: Path, path: str) -> None:
    remove_tree(str(tmp_path / path))


@pytest.mark.parametrize("path", ["", "/", ".", "..", "//", "tree/.", "tree/.."])
def test_a_path_that_does_not_end_in_a_name_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument, match="must end in the name"):
        remove_tree(path)


def test_depth_has_no_limit(tmp_path: Path) -> None:
    make_deep_tree(tmp_path / "deep", levels=5000)
    before = open_files()
    most = 0

    def count_open_files(step: int) -> None:
        nonlocal most
        if step % 100 == 0:
            most = max(most, open_files(collect=False))

    with use(Steps(count_open_files)):
        remove_tree(str(tmp_path / "deep"))
    assert list(tmp_path.iterdir()) == []
    assert most < before + 30


def test_a_directory_larger_than_one_read_of_it_is_emptied(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(3000):
        (tmp_path / f"tree/{number:040}").touch()
    remove_tree(str(tmp_path / "tree"))
    assert list(tmp_path.iterdir()) == []


def test_others_may_remove_entries_concurrently(tmp_path: Path) -> None:
    """At each step of the removal in turn, everything that remains is removed."""
    for at in range(1, 100):
        root = tmp_path / "root"
        for name in ("a", "b"):
            (root / name / "sub/sub").mkdir(parents=True)
            (root / name / "file").touch()

        def empty(step: int, at: int = at, root: Path = root) -> None:
            if step == at and root.exists():
                shutil.rmtree(root)

        context = Steps(empty)
        with use(context):
            remove_tree(str(root))
        assert list(tmp_path.iterdir()) == []
        if context.checks < at:
            break
    assert context.checks < 99


def test_entries_added_during_the_removal_are_removed_too(tmp_path: Path) -> None:
    """At each step of the removal in turn, a file and a directory with a file appear."""
    for at in range(1, 100):
        root = tmp_path / "root"
        (root / "sub").mkdir(parents=True)
        (root / "file").touch()

        def add(step: int, at: int = at, root: Path = root) -> None:
            if step == at and (root / "sub").exists():
                (root / "sub/new").touch()
                (root / "more").mkdir()
                (root / "more/new").touch()

        context = Steps(add)
        with use(context):
            remove_tree(str(root))
        assert list(tmp_path.iterdir()) == []
        if context.checks < at:
            break
    assert context.checks < 99


def test_a_tree_that_keeps_filling_up_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "root/sub").mkdir(parents=True)

    def fill(step: int) -> None:
        (tmp_path / f"root/sub/{step}").touch()

    with use(Steps(fill)), pytest.raises(FailedPrecondition, match=r"root/sub keeps filling up; stop what"):
        remove_tree(str(tmp_path / "root"))


def test_a_directory_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "root/sub").mkdir(parents=True)

    def replace(_: int) -> None:
        if (tmp_path / "root/sub").is_dir() and not (tmp_path / "root/sub").is_symlink():
            (tmp_path / "root/sub").rmdir()
            (tmp_path / "root/sub").symlink_to(tmp_path / "kept")

    with use(Steps(replace)):
        remove_tree(str(tmp_path / "root"))
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "kept", tmp_path / "kept/file"]


def test_moving_a_directory_does_not_redirect_the_removal(tmp_path: Path) -> None:
    """Its new parent must not be removed."""
    make_deep_tree(tmp_path / "root", levels=60)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()

    def move(_: int) -> None:
        if not (tmp_path / "root" / "/".join("d" * 60) / "file").exists() and not (tmp_path / "kept/d").exists():
            os.rename(tmp_path / "root" / "/".join("d" * 10), tmp_path / "kept/d")

    with use(Steps(move)), pytest.raises(Aborted, match="was moved meanwhile"):
        remove_tree(str(tmp_path / "root"))
    assert (tmp_path / "kept/file").exists()


def test_a_cancelled_removal_ends_at_the_next_entry(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    for number in range(10):
        (tmp_path / f"root/{number}").touch()

    def cancel(step: int) -> None:
        if step == 5:
            context.cancel()

    before = open_files()
    context = Steps(cancel)
    with use(context), pytest.raises(Canceled):
        remove_tree(str(tmp_path / "root"))
    assert context.checks == 5
    assert len(list((tmp_path / "root").iterdir())) == 7
    assert open_files() == before
