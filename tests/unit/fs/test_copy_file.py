"""Copies of single files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import AlreadyExists, Canceled, InvalidArgument, NotFound
from lamina.fs import copy_file

SIZE = 64 << 20


def test_the_copy_has_the_same_data_and_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"head")
    os.truncate(source, SIZE)
    copy_file(str(source), str(target))
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks * 512 < SIZE // 4


def test_only_the_owner_can_read_the_copy(tmp_path: Path) -> None:
    (tmp_path / "source").touch(0o666)
    copy_file(str(tmp_path / "source"), str(tmp_path / "target"))
    assert (tmp_path / "target").stat().st_mode & 0o7777 == 0o600


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("new")
    (tmp_path / "target").write_text("old")
    with pytest.raises(AlreadyExists, match="target"):
        copy_file(str(tmp_path / "source"), str(tmp_path / "target"))
    assert (tmp_path / "target").read_text() == "old"


def test_anything_but_a_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        with pytest.raises(InvalidArgument, match="not a regular file"):
            copy_file(str(tmp_path / name), str(tmp_path / "target"))
    assert os.listdir(tmp_path) == ["fifo"]


def test_a_missing_source_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="source"):
        copy_file(str(tmp_path / "source"), str(tmp_path / "target"))


@pytest.mark.usefixtures("without_reflinks")
def test_a_cancelled_copy_ends_promptly(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(SIZE))
    context = CallContext()
    context.cancel()
    with use(context), pytest.raises(Canceled):
        copy_file(str(tmp_path / "source"), str(tmp_path / "target"))
    assert (tmp_path / "target").stat().st_size < SIZE


@pytest.fixture
def without_reflinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sharing blocks takes no time, so such a copy cannot be cancelled."""
    monkeypatch.setattr("lamina.fs._file_data.DataCopier._share", lambda *_: False)
