"""Full file systems, and ones without d_type."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, LockHeld
from lamina.fs import FileSystemSync, Lock, disk_usage, remove_tree, supports_d_type

pytestmark = pytest.mark.requires("root")


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A full file system with a lock file that is not held."""
    target = tmp_path / "full"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", target], check=True)
    try:
        Lock.acquire(str(target / "lock")).close()
        with pytest.raises(OSError, match="No space left"):
            (target / "rest").write_bytes(bytes(1 << 20))
        yield target
    finally:
        subprocess.run(["umount", target], check=True)


@pytest.fixture
def untyped(tmp_path: Path) -> Iterator[Path]:
    """An ext4 whose directory entries have no types."""
    image, target = tmp_path / "image", tmp_path / "untyped"
    image.touch()
    os.truncate(image, 8 << 20)
    target.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-O", "^filetype", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)


def test_a_lock_can_be_taken_again_on_a_full_disk(full: Path) -> None:
    with Lock.acquire(str(full / "lock")):
        assert (full / "lock").read_text() == f"{os.getpid()}\n"


def test_a_new_lock_on_a_full_disk_does_not_name_its_holder(full: Path) -> None:
    with Lock.acquire(str(full / "new")), pytest.raises(LockHeld, match="locked by another process"):
        Lock.acquire(str(full / "new"))
    assert (full / "new").read_text() == ""


def test_a_full_disk_can_be_emptied(full: Path) -> None:
    remove_tree(str(full / "rest"))
    assert sorted(os.listdir(full)) == ["lock"]


@pytest.mark.requires("loop", "mkfs.ext4")
def test_entries_without_types_are_recognised(untyped: Path) -> None:
    assert not supports_d_type(str(untyped))


@pytest.mark.requires("loop", "mkfs.ext4")
def test_trees_without_d_type_are_measured_synced_and_removed(untyped: Path) -> None:
    (untyped / "root/sub").mkdir(parents=True)
    (untyped / "root/sub/file").write_bytes(b"x")
    (untyped / "root/link").symlink_to("sub")
    sync = FileSystemSync(str(untyped))
    sync.sync()
    sync.close()
    assert disk_usage(str(untyped / "root"))[1] == 4
    remove_tree(str(untyped / "root"))
    assert not (untyped / "root").exists()


def test_syncing_a_file_system_that_turned_read_only_fails(full: Path) -> None:
    """File systems do so after an error; syncfs(2) itself then succeeds without effect."""
    with contextlib.closing(FileSystemSync(str(full))) as sync:
        sync.sync()
        subprocess.run(["mount", "-o", "remount,ro", full], check=True)
        with pytest.raises(DataLoss, match="Read-only file system"):
            sync.sync()
