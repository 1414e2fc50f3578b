"""Commits and exports on a full disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import ResourceExhausted
from lamina.images import ArchiveFormat
from tests.support.disks.full_disks import fill, mounted
from tests.support.images.archives import write_directory
from tests.support.images.building import FORMATS, NAME, Parts, parts
from tests.support.images.built import layer
from tests.support.images.layouts import DEBIAN, debian

pytestmark = pytest.mark.requires("root", "loop", "overlay", "mkfs.ext4")

ROOM = 4 << 20
"""Bytes that are free: fewer than a layer takes."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path, "ext4") as mountpoint:
        yield mountpoint


@pytest.fixture
def have(disk: Path, tmp_path: Path) -> Iterator[Parts]:
    layout = write_directory(tmp_path / "layout", debian(layer({"file": "1"})))
    with parts(disk) as have:
        have.begin(layout)
        yield have


def fill_but_for_some_room(disk: Path) -> Path:
    filler = fill(disk)
    os.truncate(filler, filler.stat().st_size - ROOM)
    return filler


def test_a_commit_for_which_there_is_no_room_leaves_nothing(disk: Path, have: Parts) -> None:
    filler = fill_but_for_some_room(disk)
    blobs = {info.digest for info in have.content.walk()}
    with pytest.raises(ResourceExhausted):
        have.transfer.commit("work", NAME)
    have.check()
    assert [image.name for image in have.images.list()] == [DEBIAN]
    assert {info.digest for info in have.content.walk()} == blobs
    assert list(have.content.statuses()) == []
    filler.unlink()
    have.transfer.commit("work", NAME)
    have.check()


@pytest.mark.parametrize("format_", FORMATS)
def test_an_export_for_which_there_is_no_room_leaves_nothing(
    disk: Path, have: Parts, format_: ArchiveFormat
) -> None:
    have.transfer.commit("work", NAME)
    filler = fill_but_for_some_room(disk)
    present = set(os.listdir(disk))
    with pytest.raises(ResourceExhausted):
        have.transfer.export(str(disk / "out"), [NAME], format=format_)
    assert set(os.listdir(disk)) == present
    filler.unlink()
    have.transfer.export(str(disk / "out"), [NAME], format=format_)
