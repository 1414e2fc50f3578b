"""Blobs and ingests of the local content store."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from lamina.content import BlobLabels, Commit, Info
from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.errdefs import (
    AlreadyExists,
    Canceled,
    DataLoss,
    FailedPrecondition,
    FilterSyntaxError,
    InvalidArgument,
    LockHeld,
    NotFound,
    PermissionDenied,
    RefLocked,
)
from tests.support.blobs import blob_in_file, digest_of

DATA = os.urandom(3 << 20)
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


def test_a_committed_blob_is_read_as_it_was_written(store: LocalContentStore) -> None:
    before = time.time_ns()
    info = write(store, kind="layer")
    assert read(store) == DATA
    assert info == store.info(DIGEST)
    assert (info.digest, info.size, info.labels) == (DIGEST, len(DATA), {"kind": "layer"})
    assert before - 10**9 < info.created <= info.updated


def test_a_commit_leaves_no_ingest(store: LocalContentStore) -> None:
    write(store)
    assert ingests(store) == []
    with pytest.raises(NotFound, match="ingest 'ref' does not exist"):
        store.status("ref")


def test_an_empty_blob_is_a_blob(store: LocalContentStore) -> None:
    assert write(store, b"").size == 0
    assert read(store, digest_of(b"")) == b""


def test_a_blob_is_a_file_that_nothing_may_write_to(store: LocalContentStore) -> None:
    write(store)
    status = Path(store.path, "blobs", "sha256", DIGEST.removeprefix("sha256:")).stat()
    assert stat.S_IMODE(status.st_mode) == 0o444


def test_a_blob_in_the_middle_of_a_file_is_copied(store: LocalContentStore, tmp_path: Path) -> None:
    done: list[int] = []
    with blob_in_file(tmp_path / "archive", DATA, offset=512) as blob, store.writer("ref") as writer:
        writer.copy_from(blob, done.append)
        writer.commit(size=blob.size, digest=DIGEST)
    assert read(store) == DATA
    assert done == [0, 1 << 20, 2 << 20, 3 << 20]


def test_a_blob_that_ends_too_early_is_an_error(store: LocalContentStore, tmp_path: Path) -> None:
    with blob_in_file(tmp_path / "archive", DATA) as blob, store.writer("ref") as writer:
        blob.size += 1
        with pytest.raises(DataLoss, match="truncated"):
            writer.copy_from(blob)


def test_an_ingest_continues_where_it_was_closed(store: LocalContentStore, tmp_path: Path) -> None:
    with store.writer("ref", size=len(DATA)) as writer:
        writer.write(DATA[:1000])
    assert (store.status("ref").offset, store.status("ref").total) == (1000, len(DATA))
    with blob_in_file(tmp_path / "archive", DATA, offset=4096) as blob, store.writer("ref") as writer:
        assert writer.status.offset == 1000
        assert writer.digest == digest_of(DATA[:1000])
        writer.copy_from(blob)
        writer.commit(digest=DIGEST)
    assert read(store) == DATA


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


def test_a_truncated_ingest_begins_anew(store: LocalContentStore) -> None:
    with store.writer("ref") as writer:
        writer.write(b"wrong")
        writer.truncate()
        assert writer.status.offset == 0
        writer.write(DATA)
        writer.commit(digest=DIGEST)
    assert read(store) == DATA


@pytest.mark.parametrize(
    ("size", "digest", "message"),
    [(1, "", "unexpected commit size 3145728, expected 1"), (0, OTHER, f"unexpected commit digest {DIGEST}")],
)
def test_what_is_not_expected_is_not_committed_and_stays(
    store: LocalContentStore, size: int, digest: str, message: str
) -> None:
    with store.writer("ref") as writer:
        writer.write(DATA)
        with pytest.raises(FailedPrecondition, match=message):
            writer.commit(size=size, digest=digest)
    assert list(store.walk()) == []
    assert store.status("ref").offset == len(DATA)


def test_a_second_writer_of_a_ref_is_refused_until_the_first_is_closed(store: LocalContentStore) -> None:
    with store.writer("ref"):
        with pytest.raises(RefLocked, match="ref 'ref' is locked"):
            store.writer("ref")
        with pytest.raises(RefLocked):
            store.abort("ref")
        store.writer("another").close()
    store.writer("ref").close()


def test_a_failed_commit_releases_the_ref(store: LocalContentStore) -> None:
    with pytest.raises(FailedPrecondition):
        store.writer("ref").commit(size=1)
    store.writer("ref").close()


def test_of_two_ingests_of_one_blob_the_second_finds_it(store: LocalContentStore) -> None:
    with store.writer("one") as one, store.writer("two") as two:
        one.write(DATA)
        two.write(DATA)
        one.commit(digest=DIGEST, labels={"by": "one"})
        with pytest.raises(AlreadyExists, match=DIGEST):
            two.commit(digest=DIGEST, labels={"by": "two"})
    assert store.info(DIGEST).labels == {"by": "one"}
    assert ingests(store) == []


def test_a_writer_for_a_blob_that_is_there_is_refused(store: LocalContentStore) -> None:
    with store.writer("again") as writer:
        writer.write(b"half")
    write(store)
    with pytest.raises(AlreadyExists, match=DIGEST):
        store.writer("again", digest=DIGEST)
    assert ingests(store) == []


def test_an_aborted_ingest_is_gone(store: LocalContentStore) -> None:
    with store.writer("ref") as writer:
        writer.write(DATA)
    store.abort("ref")
    assert ingests(store) == []
    with pytest.raises(NotFound):
        store.abort("ref")


def test_statuses_are_those_that_a_filter_selects(store: LocalContentStore) -> None:
    for ref in ("layer-1", "layer-2", "config"):
        store.writer(ref).close()
    assert {status.ref for status in store.statuses()} == {"layer-1", "layer-2", "config"}
    assert {status.ref for status in store.statuses("ref~=^layer-")} == {"layer-1", "layer-2"}
    with pytest.raises(FilterSyntaxError):
        store.statuses("ref==")


def test_a_walk_is_in_order_and_selects_by_filters(store: LocalContentStore) -> None:
    digests = [write(store, bytes([number]), number=str(number)).digest for number in range(5)]
    assert [info.digest for info in store.walk()] == sorted(digests)
    assert [info.digest for info in store.walk("labels.number==3")] == [digests[3]]
    assert [info.digest for info in store.walk(f"digest=={digests[4]}")] == [digests[4]]
    with pytest.raises(FilterSyntaxError):
        store.walk("labels.number==")


def test_labels_are_updated_along_field_paths(store: LocalContentStore) -> None:
    before = write(store, a="1", b="2")
    after = store.update(Info(DIGEST, labels={"a": "3"}), ("labels.a", "labels.b"))
    assert after == store.info(DIGEST)
    assert (after.labels, after.created) == ({"a": "3"}, before.created)
    assert after.updated > before.updated
    assert store.add_labels(DIGEST, {"c": "4"}).labels == {"a": "3", "c": "4"}
    assert store.update(Info(DIGEST, labels={"d": "5"})).labels == {"d": "5"}
    with pytest.raises(InvalidArgument, match="cannot update 'size'"):
        store.update(Info(DIGEST, size=5), ("size",))


def test_labels_over_the_limit_are_refused_before_anything_is_stored(store: LocalContentStore) -> None:
    with pytest.raises(InvalidArgument, match="more than the maximum"):
        write(store, a="x" * 4096)
    assert list(store.walk()) == []


def test_a_store_without_labels_drops_them(tmp_path: Path) -> None:
    store = LocalContentStore(str(tmp_path / "content"))
    assert write(store, a="1").labels == {}
    assert store.add_labels(DIGEST, {"a": "1"}).labels == {}
    store.close()


def test_a_deleted_blob_is_gone_with_its_labels_and_read_on_where_it_is_open(
    store: LocalContentStore, labels: BlobLabels
) -> None:
    write(store, a="1")
    with store.open(DIGEST) as blob:
        store.delete(DIGEST)
        assert b"".join(blob.pieces()) == DATA
    assert list(labels.walk()) == []
    assert list(store.walk()) == []


@pytest.mark.parametrize("call", ["info", "delete", "open"])
def test_a_missing_blob_is_not_found(store: LocalContentStore, call: str) -> None:
    with pytest.raises(NotFound, match=f"blob {DIGEST} does not exist"):
        getattr(store, call)(DIGEST)
    with pytest.raises(NotFound):
        store.update(Info(DIGEST, labels={"a": "1"}))


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


@pytest.mark.parametrize("ref", ["", "x" * 4097, "\ud800"])
def test_a_malformed_ref_is_refused(store: LocalContentStore, ref: str) -> None:
    for call in (store.writer, store.status, store.abort):
        with pytest.raises(InvalidArgument, match="ref"):
            call(ref)


@pytest.mark.parametrize("ref", ["../../etc/passwd", "a\0b", "/", ".", "x" * 4096, "ä\n"])
def test_a_ref_may_be_any_text(store: LocalContentStore, ref: str) -> None:
    with store.writer(ref) as writer:
        writer.write(DATA)
    assert [status.ref for status in store.statuses()] == [ref]


def test_several_ingests_are_committed_together(store: LocalContentStore) -> None:
    blobs = {digest_of(bytes([number])): bytes([number]) for number in range(20)}
    write(store, b"\x00", was="there")
    commits = []
    for digest, data in blobs.items():
        writer = store.writer(digest)
        writer.write(data)
        commits.append(Commit(writer, digest, 1, {"number": str(data[0])}))
    store.commit_all(commits)
    assert {info.digest: read(store, info.digest) for info in store.walk()} == blobs
    assert store.info(digest_of(b"\x00")).labels == {"was": "there", "number": "0"}
    assert ingests(store) == []
    for digest in blobs:
        store.writer(digest).close()


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
