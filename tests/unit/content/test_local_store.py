"""Blobs and ingests of the local content store."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from lamina.content import Commit, Info
from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.errdefs import (
    AlreadyExists,
    Canceled,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    LockHeld,
    PermissionDenied,
    Unavailable,
)
from tests.support.blobs import MemoryLabels, blob_in_file, digest_of

DATA = random.Random(1).randbytes(3 << 20)
DIGEST = digest_of(DATA)
OTHER = digest_of(b"other")


def write(store: LocalContentStore, data: bytes = DATA, ref: str = "ref", **labels: str) -> Info:
    with store.writer(ref) as writer:
        writer.write(data)
        return writer.commit(size=len(data), digest=digest_of(data), labels=labels)


def read(store: LocalContentStore, digest: str = DIGEST) -> bytes:
    with store.open(digest) as blob:
        return b"".join(blob.pieces())


def ingests(store: LocalContentStore) -> list[str]:
    return os.listdir(Path(store.path, "ingest"))


def test_a_blob_is_a_file_that_nothing_may_write_to(store: LocalContentStore) -> None:
    write(store)
    status = Path(store.path, "blobs", "sha256", DIGEST.removeprefix("sha256:")).stat()
    assert stat.S_IMODE(status.st_mode) == 0o444


def test_an_empty_directory_is_refused_while_there_are_labels_of_blobs(
    tmp_path: Path, labels: MemoryLabels
) -> None:
    """Its file system may not be mounted, and a collection would forget the labels of all blobs there."""
    path = tmp_path / "content"
    store = LocalContentStore(str(path), labels)
    write(store, labelled="yes")
    store.close()
    path.rename(tmp_path / "disk")
    path.mkdir(mode=0o700)
    with pytest.raises(Unavailable, match="is its file system mounted"):
        LocalContentStore(str(path), labels)
    assert os.listdir(path) == []
    shutil.rmtree(path)
    (tmp_path / "disk").rename(path)
    store = LocalContentStore(str(path), labels)
    store.cleanup()
    assert store.info(DIGEST).labels == {"labelled": "yes"}
    store.close()


def test_an_empty_directory_is_used_once_the_command_of_the_message_was_run(
    tmp_path: Path, labels: MemoryLabels
) -> None:
    labels.put(DIGEST, {"labelled": "yes"})
    with pytest.raises(Unavailable) as refused:
        LocalContentStore(str(tmp_path), labels)
    [command] = re.findall("`(mkdir [^`]*)`", str(refused.value))
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - as an operator types it
    store = LocalContentStore(str(tmp_path), labels)
    store.cleanup()
    assert list(labels.walk()) == []
    store.close()


def test_an_ingest_continues_in_another_process(tmp_path: Path) -> None:
    first = LocalContentStore(str(tmp_path / "content"))
    with first.writer("ref") as writer:
        writer.write(DATA[:1000])
    first.close()
    second = LocalContentStore(str(tmp_path / "content"))
    with second.writer("ref") as writer:
        writer.write(DATA[1000:])
        writer.commit(digest=DIGEST)
    assert read(second) == DATA
    second.close()


def test_a_cancelled_copy_keeps_what_it_copied(store: LocalContentStore, tmp_path: Path) -> None:
    call = CallContext()
    with blob_in_file(tmp_path / "archive", DATA, offset=1) as blob, store.writer("ref") as writer:
        with use(call), pytest.raises(Canceled):
            writer.copy_from(blob, lambda done: call.cancel() if done else None)
        assert writer.status.offset == 1 << 20
        writer.copy_from(blob)
        writer.commit(digest=DIGEST)


def test_the_ingest_of_a_blob_that_is_there_is_removed(store: LocalContentStore) -> None:
    with store.writer("again") as writer:
        writer.write(b"half")
    write(store)
    with pytest.raises(AlreadyExists, match=DIGEST):
        store.writer("again", digest=DIGEST)
    assert ingests(store) == []


def test_a_store_without_labels_drops_them(tmp_path: Path) -> None:
    store = LocalContentStore(str(tmp_path / "content"))
    assert write(store, a="1").labels == {}
    assert store.add_labels(DIGEST, {"a": "1"}).labels == {}
    store.close()


@pytest.mark.parametrize(
    "digest",
    ["", "sha256:", DIGEST.upper(), DIGEST[:-1], DIGEST + "0", DIGEST + "\n", "sha512:" + "0" * 128,
     "sha256:../../../../etc/passwd", "sha256:" + "/" * 64, "md5:" + "0" * 32, "\0", "x" * 10_000],
)  # fmt: skip
def test_what_is_not_a_digest_is_refused_in_a_short_message(store: LocalContentStore, digest: str) -> None:
    for call in (store.info, store.delete, store.open):
        with pytest.raises(InvalidArgument, match="digest") as caught:
            call(digest)
        assert len(str(caught.value)) < 1000


def test_no_ingest_is_committed_beside_one_that_is_not_as_expected(store: LocalContentStore) -> None:
    commits = [Commit(store.writer("good"), digest_of(b"")), Commit(store.writer("bad"), DIGEST)]
    with pytest.raises(FailedPrecondition, match="'bad'"):
        store.commit_all(commits)
    assert list(store.walk()) == []
    assert {status.ref for status in store.statuses()} == {"good", "bad"}
    store.writer("good").close()


def test_a_failed_sync_discards_the_ingest(store: LocalContentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with store.writer("ref") as writer:
        writer.write(DATA)
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(DataLoss):
            writer.commit(digest=DIGEST)
    assert (list(store.walk()), ingests(store)) == ([], [])


def test_a_name_that_cannot_be_synced_is_removed(
    store: LocalContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def fail(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(fd)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DataLoss):
        write(store)
    assert list(store.walk()) == []
    monkeypatch.undo()
    write(store)


def test_expired_ingests_are_removed_at_the_start(tmp_path: Path) -> None:
    store = LocalContentStore(str(tmp_path / "content"))
    for ref in ("old", "new"):
        store.writer(ref).close()
    old = next(path for path in Path(store.path, "ingest").iterdir() if (path / "ref").read_text() == "old")
    day = 24 * 3600
    os.utime(old / "data", (time.time() - day - 1, time.time() - day - 1))
    store.close()
    store = LocalContentStore(str(tmp_path / "content"))
    assert [status.ref for status in store.statuses()] == ["new"]
    store.close()


def test_a_second_process_is_refused(store: LocalContentStore) -> None:
    with pytest.raises(LockHeld):
        LocalContentStore(store.path)


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "content/blobs/sha256").mkdir(parents=True)
    (tmp_path / "content/blobs/sha256/planted").touch()
    (tmp_path / "content/blobs/sha256").chmod(0o777)
    with pytest.raises(PermissionDenied, match="every user"):
        LocalContentStore(str(tmp_path / "content"))


@pytest.mark.parametrize("place", ["content", "content/blobs", "content/blobs/sha256", "content/ingest"])
def test_a_symbolic_link_in_place_of_a_directory_is_not_followed_within_the_store(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path / "elsewhere")
    if place == "content":  # of root or this user, as the paths of all data roots may be
        LocalContentStore(str(tmp_path / place)).close()
        return
    with pytest.raises(FailedPrecondition, match="not a directory"):
        LocalContentStore(str(tmp_path / "content"))
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_planted_link_is_not_read_as_a_blob(store: LocalContentStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(DATA)
    Path(store.path, "blobs", "sha256", DIGEST.removeprefix("sha256:")).symlink_to(tmp_path / "secret")
    with pytest.raises(FailedPrecondition, match="symbolic link"):
        store.open(DIGEST)


def test_a_missing_directory_is_not_made_while_there_are_labels_of_blobs(
    tmp_path: Path, labels: MemoryLabels
) -> None:
    labels.put(DIGEST, {"labelled": "yes"})
    with pytest.raises(Unavailable, match="is its file system mounted"):
        LocalContentStore(str(tmp_path / "content"), labels)
    assert os.listdir(tmp_path) == []
