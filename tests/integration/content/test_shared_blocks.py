"""Blobs on file systems whose files can share blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content import Blob, verify_blob
from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.errdefs import Canceled
from tests.support.blobs import digest_of
from tests.support.disks.full_disks import mounted, sync

pytestmark = pytest.mark.requires("root", "loop")

KINDS = [
    pytest.param("xfs", marks=pytest.mark.requires("mkfs.xfs")),
    pytest.param("btrfs", marks=pytest.mark.requires("btrfs")),
]
DATA = os.urandom(5 << 20)
DIGEST = digest_of(DATA)


@pytest.fixture(params=KINDS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The mount point of a file system with a blob in one file, and amid other data in another."""
    with mounted(tmp_path, request.param) as mountpoint:
        (mountpoint / "blob").write_bytes(DATA)
        (mountpoint / "archive").write_bytes(bytes(4096) + DATA + bytes(1024))
        sync(mountpoint)
        yield mountpoint


@pytest.fixture
def store(disk: Path) -> Iterator[LocalContentStore]:
    opened = LocalContentStore(str(disk / "content"))
    yield opened
    opened.close()


def free(directory: Path) -> int:
    sync(directory)
    status = os.statvfs(directory)
    return status.f_bfree * status.f_frsize


@pytest.mark.parametrize(("name", "offset"), [("blob", 0), ("archive", 4096)])
def test_a_blob_that_begins_with_a_block_takes_no_space_of_its_own(
    disk: Path, store: LocalContentStore, name: str, offset: int
) -> None:
    before = free(disk)
    done: list[int] = []
    with open(disk / name, "rb") as file, store.writer("ref") as writer:
        writer.copy_from(Blob(file.fileno(), len(DATA), offset), done.append)
        writer.commit(digest=DIGEST)
    assert before - free(disk) < len(DATA) // 2
    verify_blob(store, DIGEST)
    assert (done[0], done[-1]) == (0, len(DATA))


def test_a_blob_that_begins_elsewhere_is_copied(disk: Path, store: LocalContentStore) -> None:
    data = DATA[512:]
    with open(disk / "blob", "rb") as file, store.writer("ref") as writer:
        writer.copy_from(Blob(file.fileno(), len(data), 512))
        writer.commit(digest=digest_of(data))
    verify_blob(store, digest_of(data))


def test_a_blob_is_not_changed_with_the_file_that_it_shares_blocks_with(
    disk: Path, store: LocalContentStore
) -> None:
    with open(disk / "blob", "r+b", buffering=0) as file, store.writer("ref") as writer:
        writer.copy_from(Blob(file.fileno(), len(DATA)), lambda done: done or file.write(b"changed"))
        file.write(b"again")
        writer.commit(digest=DIGEST)
    verify_blob(store, DIGEST)


def test_what_a_cancelled_copy_has_not_hashed_is_not_part_of_the_blob(
    disk: Path, store: LocalContentStore
) -> None:
    call = CallContext()
    with open(disk / "blob", "rb") as file, store.writer("ref") as writer:
        with use(call), pytest.raises(Canceled):
            writer.copy_from(Blob(file.fileno(), len(DATA)), lambda done: call.cancel() if done else None)
        offset = writer.status.offset
        assert 0 < offset < len(DATA)
        info = writer.commit(digest=digest_of(DATA[:offset]))
    assert info.size == offset
    verify_blob(store, info.digest)
