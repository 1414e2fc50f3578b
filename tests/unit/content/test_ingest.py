"""Whole blobs, stored and read."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from lamina.content import NewBlob, ingest, read_blob, verify_blob
from lamina.content.local import LocalContentStore
from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DataLoss, DeadlineExceeded, FailedPrecondition, InvalidArgument, NotFound
from tests.support.blobs import blob_in_file, digest_of
from tests.support.waiting import wait_until

DATA = os.urandom(3 << 20)
DIGEST = digest_of(DATA)
REF = f"blob-{DIGEST}"


def new(data: bytes, **labels: str) -> NewBlob:
    return NewBlob(digest_of(data), data, labels)


def digests(store: LocalContentStore) -> list[str]:
    return [info.digest for info in store.walk()]


def refs(store: LocalContentStore) -> list[str]:
    return [status.ref for status in store.statuses()]


def test_blobs_of_files_and_of_memory_are_stored_with_their_labels(
    store: LocalContentStore, tmp_path: Path
) -> None:
    with blob_in_file(tmp_path / "archive", DATA, offset=512) as blob:
        ingest(store, [NewBlob(DIGEST, blob, {"is": "layer"}), new(b"{}", **{"is": "config"})])
    assert read_blob(store, DIGEST) == DATA
    assert {info.labels["is"]: info.size for info in store.walk()} == {"layer": len(DATA), "config": 2}


def test_more_blobs_than_can_be_open_are_stored(store: LocalContentStore) -> None:
    blobs = [new(b"%d" % number) for number in range(150)]
    ingest(store, blobs)
    assert digests(store) == sorted(blob.digest for blob in blobs)


def test_commits_that_are_waited_for_grow_from_that_of_the_first_blob(store: LocalContentStore) -> None:
    done: list[str] = []
    blobs = (attrs.evolve(new(b"%d" % number), progress=lambda _: done.append("copy")) for number in range(8))
    ingest(store, blobs, lambda _: done.append("stored"))
    assert [(one, len(list(same))) for one, same in itertools.groupby(done)] == [
        *[("copy", 1), ("stored", 1)] * 2,
        *[("copy", 2), ("stored", 2)],
        *[("copy", 4), ("stored", 4)],
    ]


def test_one_blob_may_be_named_twice(store: LocalContentStore) -> None:
    ingest(store, [new(DATA, a="1"), new(b""), new(DATA, b="2")])
    assert store.info(DIGEST).labels == {"a": "1", "b": "2"}


def test_a_blob_that_is_there_is_not_read_and_gets_the_labels_beside_its_own(store: LocalContentStore) -> None:
    ingest(store, [new(DATA, a="1", b="1")])
    done: list[int] = []
    with blob_in_file(Path(store.path, "closed"), DATA) as blob:
        pass
    ingest(store, [NewBlob(DIGEST, blob, {"b": "2"}, done.append)])
    assert store.info(DIGEST).labels == {"a": "1", "b": "2"}
    assert done == [len(DATA)]


def test_progress_begins_at_what_an_interrupted_ingest_left(store: LocalContentStore, tmp_path: Path) -> None:
    done: list[int] = []
    with store.writer(REF) as writer:
        writer.write(DATA[: 1 << 20])
    with blob_in_file(tmp_path / "archive", DATA, offset=1) as blob:
        ingest(store, [NewBlob(DIGEST, blob, progress=done.append)])
    assert done == [1 << 20, 2 << 20, 3 << 20]


@pytest.mark.parametrize("left", [b"wrong", DATA + b"more"])
def test_an_interrupted_ingest_that_is_damaged_is_repeated(store: LocalContentStore, left: bytes) -> None:
    with store.writer(REF) as writer:
        writer.write(left)
    ingest(store, [new(DATA)])
    assert read_blob(store, DIGEST) == DATA


@pytest.mark.parametrize("left", [b"", DATA[:1000]])
def test_a_damaged_source_stores_nothing_and_leaves_nothing(store: LocalContentStore, left: bytes) -> None:
    with store.writer(REF) as writer:
        writer.write(left)
    with pytest.raises(FailedPrecondition, match="the source is damaged"):
        ingest(store, [NewBlob(DIGEST, DATA[:-1] + b"!")])
    assert (digests(store), refs(store)) == ([], [])


def test_a_cancelled_ingest_is_continued(store: LocalContentStore, tmp_path: Path) -> None:
    call = CallContext()
    with blob_in_file(tmp_path / "archive", DATA, offset=1) as blob:
        with use(call), pytest.raises(Canceled):
            ingest(store, [NewBlob(DIGEST, blob, progress=lambda done: call.cancel() if done else None)])
        assert store.status(REF).offset == 1 << 20
        ingest(store, [NewBlob(DIGEST, blob)])
    assert digests(store) == [DIGEST]


def test_a_blob_that_another_writer_has_is_waited_for(store: LocalContentStore) -> None:
    waiting = threading.Event()
    with store.writer(REF) as writer, ThreadPoolExecutor(1) as pool:
        held = new(b"held")
        other = pool.submit(
            ingest, store, [held, NewBlob(DIGEST, b"never read", progress=lambda _: waiting.set())]
        )
        wait_until(lambda: held.digest in digests(store), 60, "what is complete is committed before the wait")
        writer.write(DATA)
        writer.commit(digest=DIGEST)
        other.result()
        assert waiting.is_set()


@pytest.mark.parametrize(
    ("call", "error"), [(CallContext(cancelled=True), Canceled), (CallContext(deadline=0.0), DeadlineExceeded)]
)
def test_waiting_for_a_writer_ends_with_the_call(
    store: LocalContentStore, call: CallContext, error: type[Exception]
) -> None:
    with store.writer(REF), use(call), pytest.raises(error):
        ingest(store, [new(DATA)])


def test_threads_that_store_the_same_blobs_all_succeed(store: LocalContentStore) -> None:
    blobs = [new(b"%d" % number, number=str(number)) for number in range(30)]
    orders: Sequence[list[NewBlob]] = [blobs, blobs[::-1], blobs[15:] + blobs[:15], blobs[::2] + blobs[1::2]]
    with ThreadPoolExecutor(len(orders)) as pool:
        for done in [pool.submit(ingest, store, order) for order in orders]:
            done.result()
    assert {info.digest: info.labels for info in store.walk()} == {blob.digest: blob.labels for blob in blobs}
    assert refs(store) == []


def test_a_document_over_the_limit_is_refused(store: LocalContentStore) -> None:
    ingest(store, [new(DATA)])
    with pytest.raises(InvalidArgument, match="3145728 bytes, more than"):
        read_blob(store, DIGEST, limit=1 << 20)


def test_damaged_data_is_found(store: LocalContentStore) -> None:
    ingest(store, [new(DATA)])
    done: list[int] = []
    verify_blob(store, DIGEST, done.append)
    assert done == [1 << 20, 2 << 20, 3 << 20]
    path = Path(store.path, "blobs/sha256", DIGEST.removeprefix("sha256:"))
    path.chmod(0o600)
    path.write_bytes(b"?" + DATA[1:])
    for read in (verify_blob, read_blob):
        with pytest.raises(DataLoss, match=f"{DIGEST}: its data has digest"):
            read(store, DIGEST)
    with pytest.raises(NotFound):
        verify_blob(store, digest_of(b"missing"))
