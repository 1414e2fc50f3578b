"""New files, which are there when they are complete, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.errdefs import Error, FailedPrecondition, NotFound
from lamina.fs.new_file import new_file


@pytest.fixture(params=[True, False], ids=["O_TMPFILE", "no O_TMPFILE"])
def directory(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory, also of a file system that has no files without names."""
    if not request.param:
        # What the kernel says where the flag is unknown: `.` is a directory.
        monkeypatch.setattr(os, "O_TMPFILE", 0)
    return tmp_path


def test_a_file_appears_with_the_end_of_the_block(directory: Path) -> None:
    with new_file(str(directory / "file")) as fd:
        os.write(fd, b"data")
        assert not (directory / "file").exists()
    assert (directory / "file").read_text() == "data"
    assert os.listdir(directory) == ["file"]


def test_after_an_error_nothing_is_there(directory: Path) -> None:
    with pytest.raises(OSError, match="Bad file"), new_file(str(directory / "file")) as fd:
        os.read(fd, 1)  # it is open for writing only
    assert os.listdir(directory) == []


def test_another_file_is_replaced_at_the_end(directory: Path) -> None:
    (directory / "file").write_text("old")
    with new_file(str(directory / "file")) as fd:
        os.write(fd, b"new")
        assert (directory / "file").read_text() == "old"
    assert (directory / "file").read_text() == "new"


def test_a_leftover_of_a_killed_process_is_no_obstacle(directory: Path) -> None:
    (directory / ".file.new").write_text("left")
    with new_file(str(directory / "file")) as fd:
        os.write(fd, b"new")
    assert {path.name: path.read_text() for path in directory.iterdir()} == {"file": "new"}


@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0o600), (0o666, 0o640)])
def test_the_umask_counts(directory: Path, mode: int, expected: int) -> None:
    before = os.umask(0o027)
    try:
        with new_file(str(directory / "file"), mode):
            pass
    finally:
        os.umask(before)
    assert (directory / "file").stat().st_mode & 0o777 == expected


def test_only_regular_files_are_replaced(directory: Path) -> None:
    """A device or a FIFO may be somebody's; a symbolic link may lead anywhere."""
    os.mkfifo(directory / "fifo")
    (directory / "link").symlink_to("nowhere")
    for name in ("fifo", "link"):
        with (
            pytest.raises(FailedPrecondition, match=f"{name} is not a regular file"),
            new_file(str(directory / name)),
        ):
            pass


def test_a_missing_directory_is_an_error(directory: Path) -> None:
    with pytest.raises(NotFound, match=r"create .*/missing/file"), new_file(str(directory / "missing/file")):
        pass


def test_an_error_names_the_file_once() -> None:
    with pytest.raises(Error) as caught, new_file("/sys/new"):
        pass
    assert str(caught.value) == "create /sys/new: Permission denied"
