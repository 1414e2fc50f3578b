"""ext4 aborts its journal because a commit that another process started has failed; the next sync succeeds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, Unavailable
from lamina.fs import FileSystemSync, sync_directory, syncfs
from lamina.snapshots import Kind
from lamina.snapshots.storage import MetaStore
from lamina.steps import run
from lamina.store._handle import Handle
from tests.support.disks.block_devices import Disk, disk, make_file_system, mounted

pytestmark = pytest.mark.requires("root", "loop", "fuse", "mkfs.ext4")

JOURNAL = b"\xc0\x3b\x39\x98"
"""JBD2_MAGIC_NUMBER of include/linux/jbd2.h, with which each block of the journal's own begins."""


class Journaled:
    """An ext4 whose journal a test aborts."""

    def __init__(self, disk: Disk, mountpoint: Path) -> None:
        self._disk = disk
        self.path = mountpoint

    def abort(self) -> None:
        """Fail the commit of all changes so far, and tell an uninvolved process."""
        bystander = self.path / "bystander"
        bystander.mkdir()
        self._disk.refuse(JOURNAL)
        fd = os.open(bystander, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with pytest.raises(OSError, match="Input/output error"):
                os.fsync(fd)
        finally:
            os.close(fd)
        assert self._disk.refused() == 1


@pytest.fixture
def journaled(tmp_path: Path) -> Iterator[Journaled]:
    make_file_system("ext4", tmp_path / "image")
    with (
        disk(tmp_path / "image") as device,
        # The kernel commits nothing by itself meanwhile, after which a sync would have nothing to do.
        mounted(device.device, "ext4", tmp_path / "mnt", "commit=3600") as mountpoint,
    ):
        (mountpoint / "first").mkdir()
        sync_directory(str(mountpoint))  # the first commit writes the journal's superblock too
        yield Journaled(device, mountpoint)


def test_a_syncfs_without_effect_is_a_failed_sync(journaled: Journaled) -> None:
    def sync(fd: int) -> None:
        journaled.abort()
        syncfs(fd)

    (journaled.path / "layer").mkdir()
    with contextlib.closing(FileSystemSync(str(journaled.path), sync)) as synced:
        with pytest.raises(DataLoss, match="Read-only file system"):
            synced.sync()
        assert synced.failures == 1


def test_an_fsync_of_a_directory_without_effect_fails(journaled: Journaled) -> None:
    (journaled.path / "layers").mkdir()
    journaled.abort()
    with pytest.raises(OSError, match="Read-only file system"):
        sync_directory(str(journaled.path / "layers"))


def test_a_commit_of_the_metastore_without_effect_fails_and_nothing_is_stored_after_it(
    journaled: Journaled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = Handle.check_committed

    def abort_and_check(handle: Handle) -> None:
        journaled.abort()
        check(handle)

    with contextlib.closing(MetaStore.open(str(journaled.path / "metastore"), str(tmp_path / "state"))) as store:
        keyspace = store.snapshotter("overlayfs").keyspace("lamina")

        def create(name: str) -> None:
            run(keyspace.create(keyspace.draft(Kind.ACTIVE, name, "", {})))

        create("stored")
        with monkeypatch.context() as patched:
            patched.setattr(Handle, "check_committed", abort_and_check)
            with pytest.raises(DataLoss, match="the commit may be lost: Read-only file system"):
                create("lost")
        with pytest.raises(Unavailable, match="will try again"):
            create("later")
        assert keyspace.get("stored").info.name == "stored"
