"""Copies of trees that change during the copy, and cancelled copies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.context import use
from lamina.errdefs import Aborted, Canceled
from lamina.fs import copy_tree
from tests.support.trees import Steps, open_files

CHUNK = 16 << 20
"""Bytes of a file copied between two checks for cancellation."""


def make_small_tree(source: Path) -> None:
    for name in ("a", "b"):
        (source / name / "sub").mkdir(parents=True)
        (source / name / "file").write_bytes(b"x")
        (source / name / "link").symlink_to("x")


def test_the_source_may_be_removed_concurrently(source: Path) -> None:
    """At each step of the copy in turn, everything is removed."""
    for at in range(1, 100):
        make_small_tree(source)

        def empty(step: int, at: int = at) -> None:
            if step == at:
                for directory, directories, files in os.walk(source, topdown=False):
                    for name in files + [name for name in directories if Path(directory, name).is_symlink()]:
                        os.unlink(os.path.join(directory, name))
                    if Path(directory) != source:
                        os.rmdir(directory)

        target = source.with_name(f"target{at}")
        context = Steps(empty)
        with use(context):
            copy_tree(str(source), str(target))
        if context.checks < at:
            break
    assert 10 < context.checks < 99


def test_an_entry_that_changes_its_type_is_not_partly_copied(source: Path) -> None:
    """At each step in turn, files become directories, and directories become links."""
    refused = 0
    for at in range(1, 100):
        tree = source / str(at)
        make_small_tree(tree)

        def swap(step: int, at: int = at, tree: Path = tree) -> None:
            if step == at:
                for name in ("a", "b"):
                    os.rename(tree / name / "sub", tree / f"{name} was here")
                    (tree / name / "sub").symlink_to("/")
                    os.unlink(tree / name / "file")
                    (tree / name / "file").mkdir()

        context = Steps(swap)
        with use(context):
            try:
                copy_tree(str(tree), str(source.with_name(f"target{at}")))
            except Aborted as error:
                assert "was replaced during the copy; try again" in str(error)  # noqa: PT017 - it may not be raised
                refused += 1
        if context.checks < at:
            break
    assert refused
    assert context.checks < 99


@pytest.mark.parametrize("size", [0, CHUNK + 1, 4 * CHUNK])
def test_a_file_may_shrink_and_grow_while_it_is_copied(source: Path, size: int) -> None:
    with (source / "file").open("wb") as file:
        file.write(os.urandom(1 << 20) * 48)

    def change(step: int) -> None:
        if step == 3:  # the first chunk is done
            os.truncate(source / "file", size)

    with use(Steps(change)):
        copy_tree(str(source), str(source.with_name("target")))
    with (source / "file").open("rb") as old, (source.with_name("target") / "file").open("rb") as new:
        assert new.read(1 << 20) == old.read(1 << 20) or size == 0
        assert os.fstat(new.fileno()).st_size <= 48 << 20


def test_a_cancelled_copy_ends_at_the_next_entry(source: Path) -> None:
    for number in range(10):
        (source / str(number)).touch()

    def cancel(step: int) -> None:
        if step == 5:
            context.cancel()

    before = open_files()
    context = Steps(cancel)
    with use(context), pytest.raises(Canceled):
        copy_tree(str(source), str(source.with_name("target")))
    assert len(os.listdir(source.with_name("target"))) < 5
    assert open_files() == before


def test_a_cancelled_copy_ends_within_a_large_file(source: Path) -> None:
    with (source / "file").open("wb") as file:
        file.write(b"x" * (3 * CHUNK))
    context = Steps(lambda step: context.cancel() if step == 2 else None)
    with use(context), pytest.raises(Canceled):
        copy_tree(str(source), str(source.with_name("target")))
    assert (source.with_name("target") / "file").stat().st_blocks * 512 < 3 * CHUNK
