"""Commits of overlay snapshots to which a client still writes, though it should not."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from lamina.errdefs import Aborted
from lamina.fs import TreeVisitor, disk_usage, opened
from lamina.plugins.snapshots.overlay._whiteouts import (
    TRUSTED_PREFIX,
    WhiteoutAdapter,
    WhiteoutRemover,
    expand_opaque_root,
    put_back,
)

pytestmark = pytest.mark.requires("root")

OPAQUE: Final = f"{TRUSTED_PREFIX}opaque"
REPLACEMENTS: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_bytes(b"new"),
    "link": lambda path: path.symlink_to("target"),
    "directory": lambda path: (path / "in").mkdir(parents=True),
}


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """A layer with a directory that no lower layer has."""
    (tmp_path / "fs/new").mkdir(parents=True)
    return tmp_path / "fs"


@pytest.fixture(params=[WhiteoutRemover, WhiteoutAdapter])
def visitor(request: pytest.FixtureRequest, tmp_path: Path) -> TreeVisitor:
    """Each visitor of a commit. Both remove whiteouts in that directory."""
    aside = str(tmp_path / "aside")
    if request.param is WhiteoutRemover:
        return WhiteoutRemover(TRUSTED_PREFIX, aside)
    (tmp_path / "lower").mkdir()
    return WhiteoutAdapter(TRUSTED_PREFIX, [str(tmp_path / "lower")], aside)


class Writer:
    """A client that writes after a commit has looked at a whiteout, before it removes it."""

    def __init__(self, visitor: TreeVisitor, write: Callable[[], object]) -> None:
        self._visitor = visitor
        self._write = write

    def visit_directory(self, fd: int, names: tuple[str, ...]) -> None:
        self._visitor.visit_directory(fd, names)

    def visit_entry(self, directory: int, name: str, status: os.stat_result) -> os.stat_result | None:
        if stat.S_ISCHR(status.st_mode):
            self._write()
        return self._visitor.visit_entry(directory, name, status)


def whiteout(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR)


@pytest.mark.parametrize("kind", REPLACEMENTS)
def test_what_replaces_a_whiteout_that_a_commit_removes_stays_and_is_counted(
    layer: Path, tmp_path: Path, visitor: TreeVisitor, kind: str
) -> None:
    def write() -> None:
        (layer / "new/x").unlink()
        REPLACEMENTS[kind](layer / "new/x")

    whiteout(layer / "new/x")
    os.utime(layer / "new", ns=(0, 0))
    counted = disk_usage(str(layer), visitor=Writer(visitor, write))
    assert os.listdir(layer / "new") == ["x"]
    assert counted == disk_usage(str(layer))
    assert not (tmp_path / "aside").exists()


def test_a_whiteout_in_a_directory_that_replaces_one_is_removed(
    layer: Path, tmp_path: Path, visitor: TreeVisitor
) -> None:
    def write() -> None:
        if not (layer / "new/x").is_dir():
            (layer / "new/x").unlink()
            (layer / "new/x").mkdir()
            whiteout(layer / "new/x/y")

    whiteout(layer / "new/x")
    disk_usage(str(layer), visitor=Writer(visitor, write))
    assert os.listdir(layer / "new/x") == []


def test_a_whiteout_that_a_client_removes_is_gone(layer: Path, visitor: TreeVisitor) -> None:
    whiteout(layer / "new/x")
    counted = disk_usage(str(layer), visitor=Writer(visitor, (layer / "new/x").unlink))
    assert counted == disk_usage(str(layer))


def test_what_a_killed_commit_moved_aside_is_no_obstacle(
    layer: Path, tmp_path: Path, visitor: TreeVisitor
) -> None:
    whiteout(layer / "new/x")
    os.link(layer / "new/x", tmp_path / "aside")  # a rename between names of one file does nothing
    disk_usage(str(layer), visitor=visitor)
    assert os.listdir(layer / "new") == []
    assert not (tmp_path / "aside").exists()


def test_two_replacements_of_a_whiteout_fail_the_commit_and_are_both_kept(tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes(b"later")
    (tmp_path / "aside").write_bytes(b"earlier")
    with (
        opened(str(tmp_path), os.O_RDONLY | os.O_DIRECTORY) as directory,
        pytest.raises(Aborted, match=f"unmount it, and commit it again. What was 'name' is at {tmp_path}/aside"),
    ):
        put_back(str(tmp_path / "aside"), directory, "name")
    assert (tmp_path / "name").read_bytes() == b"later"
    assert (tmp_path / "aside").read_bytes() == b"earlier"


def test_a_lower_name_is_hidden_though_a_client_removes_what_hides_it(
    layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mknod = os.mknod

    def removed_at_once(name: str, mode: int, *, dir_fd: int) -> None:
        try:
            mknod(name, mode, dir_fd=dir_fd)
        except FileExistsError:
            (layer / "x").rmdir()
            raise

    (tmp_path / "lower/x").mkdir(parents=True)
    (layer / "x").mkdir()
    os.setxattr(layer, OPAQUE, b"y")
    monkeypatch.setattr(os, "mknod", removed_at_once)
    expand_opaque_root(str(layer), [str(tmp_path / "lower")], TRUSTED_PREFIX)
    assert stat.S_ISCHR((layer / "x").lstat().st_mode)


@pytest.mark.parametrize("prefix", [TRUSTED_PREFIX, "user.overlay."])
def test_an_opaque_attribute_that_a_client_removes_after_a_look_is_gone(
    layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    getxattr = os.getxattr

    def removed_at_once(file: int, name: str) -> bytes:
        found = getxattr(file, name)
        os.removexattr(layer / "new", name)
        return found

    monkeypatch.setattr(os, "getxattr", removed_at_once)
    aside = str(tmp_path / "aside")
    for visitor in (WhiteoutRemover(prefix, aside), WhiteoutAdapter("user.overlay.", [], aside)):
        os.setxattr(layer / "new", OPAQUE, b"y")
        disk_usage(str(layer), visitor=visitor)
        assert OPAQUE not in os.listxattr(layer / "new")
