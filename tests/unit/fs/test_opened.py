"""`opened` opens a file for a block."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.fs import opened


def test_the_descriptor_is_closed_after_an_error_in_the_block(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), opened(tmp_path, os.O_RDONLY | os.O_DIRECTORY) as fd:
        raise ValueError("inside")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_name_is_opened_in_the_given_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    with (
        opened(tmp_path, os.O_RDONLY | os.O_DIRECTORY) as directory,
        opened("file", os.O_RDONLY, dir_fd=directory) as fd,
    ):
        assert os.read(fd, 10) == b"data"
