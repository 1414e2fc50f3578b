"""The removal of ingests in a collection of content."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.errdefs import Unavailable
from lamina.metadata import Metadata, Resource
from lamina.metadata.collection import Collector, Removed


@pytest.fixture
def content(tmp_path: Path, metadata: Metadata) -> Iterator[LocalContentStore]:
    """A store with an ingest that nobody writes."""
    with contextlib.closing(LocalContentStore(str(tmp_path / "content"), metadata.labels)) as store:
        with store.writer("left") as writer:
            writer.write(b"some of it")
        yield store


def collected(
    metadata: Metadata, content: LocalContentStore, *, grace: float = 0, dry_run: bool = False
) -> list[Removed]:
    return list(Collector(metadata, content, list, grace).collect(content_only=True, dry_run=dry_run))


def refs(content: LocalContentStore) -> list[str]:
    return [status.ref for status in content.statuses()]


def test_an_ingest_that_nobody_writes_is_removed(metadata: Metadata, content: LocalContentStore) -> None:
    wanted = [Removed("ingest", "left", size=10, reason="nobody writes it")]
    assert collected(metadata, content, dry_run=True) == wanted
    assert refs(content) == ["left"]
    assert collected(metadata, content) == wanted
    assert refs(content) == []


def test_one_that_is_being_written_stays(metadata: Metadata, content: LocalContentStore) -> None:
    with content.writer("left"):
        assert collected(metadata, content) == []
    assert refs(content) == ["left"]


def test_a_young_one_stays(metadata: Metadata, content: LocalContentStore) -> None:
    (found,) = collected(metadata, content, grace=60)
    assert (found.name, found.young) == ("left", True)
    assert refs(content) == ["left"]


def test_one_in_a_lease_stays(metadata: Metadata, content: LocalContentStore) -> None:
    leases = metadata.leases("k8s.io")
    leases.create("mine")
    leases.add("mine", Resource("ingests", "left"))
    assert collected(metadata, content) == []
    leases.delete("mine")
    assert [one.name for one in collected(metadata, content)] == ["left"]


def test_a_collection_of_everything_leaves_them_to_be_continued(
    metadata: Metadata, content: LocalContentStore
) -> None:
    assert list(Collector(metadata, content, list, 0).collect()) == []
    assert refs(content) == ["left"]


def test_one_that_cannot_be_removed_is_reported(
    metadata: Metadata, content: LocalContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(ref: str) -> None:
        raise Unavailable(f"{ref}: the disk is gone")

    monkeypatch.setattr(content, "abort", fail)
    (found,) = collected(metadata, content)
    assert found.error == "left: the disk is gone"
