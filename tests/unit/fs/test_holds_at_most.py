"""Whether a walk of a directory is soon done."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.fs import holds_at_most


@pytest.fixture
def three_files(tmp_path: Path) -> str:
    for number in range(3):
        (tmp_path / f"{number}").touch()
    return str(tmp_path)


def test_as_many_files_as_allowed_are_few_and_one_more_is_not(three_files: str) -> None:
    assert [holds_at_most(three_files, files) for files in (0, 2, 3, 4)] == [False, False, True, True]


def test_an_empty_directory_holds_at_most_none(tmp_path: Path) -> None:
    assert holds_at_most(str(tmp_path), 0)


def test_a_directory_below_may_hold_anything_but_a_link_to_one_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    assert holds_at_most(str(tmp_path))
    (tmp_path / "directory").mkdir()
    assert not holds_at_most(str(tmp_path))


def test_what_cannot_be_read_is_left_to_the_walk(tmp_path: Path) -> None:
    assert not holds_at_most(str(tmp_path / "missing"))
