"""Directories that are measured without a walk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.fs import disk_usage, is_empty_directory, quick_disk_usage
from lamina.fs._usage import FEW


def fill(directory: Path, files: int) -> None:
    for number in range(files):
        (directory / f"{number}").write_text("content")


@pytest.mark.parametrize("files", [0, 1, FEW])
def test_few_files_are_measured_as_by_a_walk(tmp_path: Path, files: int) -> None:
    fill(tmp_path, files)
    assert quick_disk_usage(str(tmp_path)) == disk_usage(str(tmp_path))


def test_links_to_directories_are_measured_as_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    assert quick_disk_usage(str(tmp_path)) == disk_usage(str(tmp_path))


def test_many_files_are_left_to_a_walk(tmp_path: Path) -> None:
    fill(tmp_path, FEW + 1)
    assert quick_disk_usage(str(tmp_path)) is None


def test_a_subdirectory_is_left_to_a_walk(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    assert quick_disk_usage(str(tmp_path)) is None


def test_a_file_with_two_links_is_left_to_a_walk(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    os.link(tmp_path / "0", tmp_path / "1")
    assert quick_disk_usage(str(tmp_path)) is None


def test_a_missing_directory_is_left_to_a_walk(tmp_path: Path) -> None:
    assert quick_disk_usage(str(tmp_path / "missing")) is None


def test_a_directory_is_empty_until_it_has_an_entry(tmp_path: Path) -> None:
    assert is_empty_directory(str(tmp_path))
    (tmp_path / "link").symlink_to("missing")
    assert not is_empty_directory(str(tmp_path))


def test_a_missing_directory_is_not_empty(tmp_path: Path) -> None:
    assert not is_empty_directory(str(tmp_path / "missing"))
