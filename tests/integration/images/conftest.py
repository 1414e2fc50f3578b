"""Fixtures for tests that unpack images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lamina.content import ContentStore
from lamina.content.local import LocalContentStore
from lamina.images.unpack import Destination
from lamina.layers import Applier, LocalDiffer
from lamina.snapshots.local import LocalSnapshotter
from tests.support.blobs import MemoryLabels
from tests.support.snapshotters.overlay import open_overlay


@pytest.fixture
def content(tmp_path: Path) -> Iterator[ContentStore]:
    """A content store that keeps labels."""
    with closing(LocalContentStore(str(tmp_path / "content"), MemoryLabels())) as store:
        yield store


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_overlay(tmp_path, sync_fs=False) as snapshotter:
        yield snapshotter


@pytest.fixture
def destination(overlay: LocalSnapshotter) -> Destination:
    """A keyspace in which layers are unpacked side by side."""
    return Destination("overlayfs", overlay.keyspace("images/default"), rebases=True)


@pytest.fixture
def applier() -> Applier:
    return LocalDiffer()
