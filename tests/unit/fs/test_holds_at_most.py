"""Directories that can be walked quickly."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.fs import holds_at_most


@pytest.fixture
def three_files(tmp_path: Path) -> str:
    for number in range(3):
        (tmp_path / f"{number}").touch()
    return str(tmp_path)


def test_the_limit_is_inclusive(three_files: str) -> None:
    assert [holds_at_most(three_files, files) for files in (0, 2, 3, 4)] == [False, False, True, True]


def test_an_empty_directory_holds_at_most_none(tmp_path: Path) -> None:
    assert holds_at_most(str(tmp_path), 0)


def test_a_subdirectory_is_too_much_but_a_link_to_one_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    assert holds_at_most(str(tmp_path))
    (tmp_path / "directory").mkdir()
    assert not holds_at_most(str(tmp_path))


def test_an_unreadable_directory_is_not_quick(tmp_path: Path) -> None:
    assert not holds_at_most(str(tmp_path / "missing"))
