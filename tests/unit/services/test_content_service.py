"""The content service's methods, called without a transport, on a real store."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.api.messages.content_pb2 import Info
from lamina.api.messages.field_mask_pb2 import FieldMask
from lamina.api.messages.timestamp_pb2 import Timestamp
from lamina.content import PIECE, NewBlob, ingest
from lamina.content.local import LocalContentStore
from lamina.errdefs import FilterSyntaxError, InvalidArgument, NotFound, OutOfRange
from lamina.plugins.services.content._service import MAX_CHUNK
from lamina.plugins.services.content.plugin import content_service
from tests.support.blobs import MemoryLabels

DATA = bytes(range(256)) * (PIECE // 100)
"""More than two pieces."""

Ask = Callable[..., Any]
"""Calls a method."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalContentStore]:
    store = LocalContentStore(str(tmp_path / "content"), MemoryLabels())
    yield store
    store.close()


@pytest.fixture
def ask(store: LocalContentStore, call: Ask) -> Ask:
    return functools.partial(call, content_service(lambda: store))


def put(store: LocalContentStore, data: bytes) -> str:
    """Store a blob; returns its digest."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    ingest(store, [NewBlob(digest, data)])
    return digest


def read(ask: Ask, digest: str, offset: int = 0, size: int = 0) -> bytes:
    return b"".join(response.data for response in ask("Read", digest=digest, offset=offset, size=size))


def test_the_methods_are_those_of_the_protocol_whose_clients_do_not_stream(store: LocalContentStore) -> None:
    service = content_service(lambda: store)
    assert service.name == "containerd.services.content.v1.Content"
    names = {"Info", "Update", "List", "Delete", "Read", "Status", "ListStatuses", "Abort"}
    assert {method.name for method in service.methods} == names
    assert {method.name for method in service.methods if method.streams} == {"List", "Read"}


def test_info_tells_size_times_and_labels(ask: Ask, store: LocalContentStore) -> None:
    digest = put(store, b"abc")
    info = ask("Info", digest=digest).info
    assert (info.digest, info.size) == (digest, 3)
    assert info.created_at.seconds > 1_000_000_000
    assert info.HasField("updated_at")


def test_a_blob_is_read_whole_or_in_part(ask: Ask, store: LocalContentStore) -> None:
    digest = put(store, DATA)
    assert read(ask, digest) == DATA
    assert read(ask, digest, offset=PIECE) == DATA[PIECE:]
    assert read(ask, digest, offset=PIECE - 1, size=PIECE) == DATA[PIECE - 1 : 2 * PIECE - 1]
    assert read(ask, digest, offset=-1, size=5) == DATA[:5]
    assert read(ask, digest, offset=len(DATA)) == b""


def test_each_message_says_where_its_data_begins(ask: Ask, store: LocalContentStore) -> None:
    digest = put(store, DATA)
    offset = 7
    for response in ask("Read", digest=digest, offset=offset):
        assert response.offset == offset
        assert len(response.data) <= PIECE
        offset += len(response.data)
    assert offset == len(DATA)


@pytest.mark.parametrize(("offset", "size"), [(4, 0), (0, 4), (3, 1), (2**62, 2**62)])
def test_reading_past_the_end_is_an_error(ask: Ask, store: LocalContentStore, offset: int, size: int) -> None:
    digest = put(store, b"abc")
    with pytest.raises(OutOfRange, match="the blob has 3"):
        read(ask, digest, offset, size)


def test_labels_are_updated_by_the_mask(ask: Ask, store: LocalContentStore) -> None:
    digest = put(store, b"abc")
    invalid = Timestamp(nanos=-1)
    both = {"containerd.io/a": "1", "b": "2"}
    updated = ask("Update", info=Info(digest=digest, labels=both, created_at=invalid)).info
    assert (updated.digest, updated.size, dict(updated.labels)) == (digest, 3, both)
    mask = FieldMask(paths=["labels.containerd.io/a", "labels.c"])
    updated = ask("Update", info=Info(digest=digest, labels={"c": "3"}), update_mask=mask).info
    assert dict(updated.labels) == {"b": "2", "c": "3"}
    with pytest.raises(InvalidArgument, match="only labels can change"):
        ask("Update", info=Info(digest=digest), update_mask=FieldMask(paths=["size"]))
    with pytest.raises(InvalidArgument, match="info argument missing"):
        ask("Update")


def test_lists_come_in_messages_of_limited_size(ask: Ask, store: LocalContentStore) -> None:
    digests = sorted(put(store, str(number).encode()) for number in range(MAX_CHUNK + 1))
    responses = ask("List")
    assert [len(response.info) for response in responses] == [MAX_CHUNK, 1]
    assert [info.digest for response in responses for info in response.info] == digests


def test_lists_can_be_filtered(ask: Ask, store: LocalContentStore) -> None:
    digest, _ = put(store, b"a"), put(store, b"b")
    (response,) = ask("List", filters=[f"digest=={digest}"])
    assert [info.digest for info in response.info] == [digest]
    with pytest.raises(FilterSyntaxError):
        ask("List", filters=["digest=="])


def test_no_blobs_are_no_message(ask: Ask) -> None:
    assert ask("List") == []


def test_a_deleted_blob_is_gone(ask: Ask, store: LocalContentStore) -> None:
    digest = put(store, b"abc")
    ask("Delete", digest=digest)
    for method in ("Info", "Read", "Delete"):
        with pytest.raises(NotFound):
            ask(method, digest=digest)


def test_ingests_are_shown_and_aborted(ask: Ask, store: LocalContentStore) -> None:
    with store.writer("layer", size=10) as writer:
        writer.write(b"abc")
    status = ask("Status", ref="layer").status
    assert (status.ref, status.offset, status.total) == ("layer", 3, 10)
    assert [one.ref for one in ask("ListStatuses").statuses] == ["layer"]
    assert [one.ref for one in ask("ListStatuses", filters=["ref==other"]).statuses] == []
    ask("Abort", ref="layer")
    with pytest.raises(NotFound):
        ask("Status", ref="layer")
    assert list(ask("ListStatuses").statuses) == []


def test_a_malformed_digest_is_refused(ask: Ask) -> None:
    for method in ("Info", "Read", "Delete"):
        with pytest.raises(InvalidArgument, match="expected sha256"):
            ask(method, digest="sha256:../../etc/passwd")
