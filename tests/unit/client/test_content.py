"""The blobs of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.client import Client
from lamina.content import PIECE, NewBlob, ingest
from lamina.content.local import LocalContentStore
from lamina.errdefs import NotFound, OutOfRange
from lamina.images.documents import describe
from lamina.plugins.services.content.plugin import content_service

Serve = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalContentStore]:
    store = LocalContentStore(str(tmp_path / "content"))
    yield store
    store.close()


def put(store: LocalContentStore, data: bytes) -> str:
    """Store a blob; returns its digest."""
    digest = describe(data, "").digest
    ingest(store, [NewBlob(digest, data)])
    return digest


def test_blobs_are_those_of_the_server(serve: Serve, store: LocalContentStore) -> None:
    digests = sorted(put(store, str(number).encode()) for number in range(250))
    with Client(serve(content_service(lambda: store)).address) as client:
        content = client.content()
        assert list(content.walk()) == list(store.walk())
        assert [info.digest for info in content.walk(f"digest=={digests[7]}")] == [digests[7]]
        assert content.info(digests[0]) == store.info(digests[0])
        content.delete(digests[0])
        with pytest.raises(NotFound):
            content.info(digests[0])


def test_a_blob_is_read_in_pieces(serve: Serve, store: LocalContentStore) -> None:
    data = bytes(range(256)) * (PIECE // 100)
    digest = put(store, data)
    with Client(serve(content_service(lambda: store)).address) as client:
        pieces = list(client.content().read(digest))
        assert len(pieces) > 2
        assert b"".join(pieces) == data
        assert b"".join(client.content().read(digest, 5, 10)) == data[5:15]
        with pytest.raises(OutOfRange):
            next(client.content().read(digest, len(data) + 1))


def test_ingests_are_those_of_the_server(serve: Serve, store: LocalContentStore) -> None:
    with store.writer("layer", size=10) as writer:
        writer.write(b"abc")
    with Client(serve(content_service(lambda: store)).address) as client:
        content = client.content()
        assert content.status("layer") == store.status("layer")
        assert list(content.statuses()) == list(store.statuses())
        content.abort("layer")
        with pytest.raises(NotFound):
            content.status("layer")
