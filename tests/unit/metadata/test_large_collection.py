"""A collection of many blobs, beside which everything goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content import Descriptor, NewBlob, ingest
from lamina.content.local import LocalContentStore
from lamina.images import Image
from lamina.metadata import Metadata
from lamina.metadata._batches import batches
from lamina.metadata.collection import Collector
from tests.support.blobs import digest_of
from tests.support.rounds import rounds

COUNT = rounds(5_000, soak=100_000)


@pytest.fixture
def content(tmp_path: Path, metadata: Metadata) -> Iterator[LocalContentStore]:
    """A store with many blobs, half of which an image needs: each refers to the next one."""
    with contextlib.closing(LocalContentStore(str(tmp_path / "content"), metadata.labels)) as content:
        for number in range(COUNT):
            (tmp_path / "content/blobs/sha256" / name(number)).write_bytes(b"")
        for some in batches(range(COUNT), 1000):
            metadata.labels.put_all(
                {digest(one): {"containerd.io/gc.ref.content": digest(one + 1)} for one in some}
            )
        metadata.images("default").create(Image("i", Descriptor("t", digest(COUNT // 2), 1)))
        yield content


def name(number: int) -> str:
    return f"{number:064x}"


def digest(number: int) -> str:
    return f"sha256:{name(number)}"


def test_calls_go_on_while_many_blobs_are_collected(metadata: Metadata, content: LocalContentStore) -> None:
    collector = Collector(metadata, content, list, grace=0)
    removed: list[str] = []
    ended = threading.Semaphore(0)

    def collect() -> None:
        for number, one in enumerate(collector.steps()):
            if one is not None:
                removed.append(one.name)
            if number % 500 == 0:  # else the other thread may get no time before the end
                assert ended.acquire(timeout=60), "no call ends"

    thread = threading.Thread(target=collect)
    thread.start()
    rounds_done = 0
    while thread.is_alive():
        data = b"%d" % rounds_done
        with metadata.temporary_lease("default") as lease:
            lease.add_blob(digest_of(data))
            ingest(content, [NewBlob(digest_of(data), data, {"l": "1"})])
            metadata.images("default").put(Image(f"new-{rounds_done}", Descriptor("t", digest_of(data), 1)))
        rounds_done += 1
        ended.release()
    thread.join()
    assert removed == [digest(number) for number in range(COUNT // 2)]
    assert rounds_done >= COUNT // 1000
    for image in metadata.images("default").list('name~="^new-"'):
        assert content.info(image.target.digest).labels == {"l": "1"}
