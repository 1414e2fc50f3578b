"""Metadata in a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.images import ImageStore
from lamina.metadata import Metadata
from lamina.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(str(tmp_path / "store"))
    yield store
    store.close()


@pytest.fixture
def metadata(store: Store) -> Metadata:
    return Metadata.open(store)


@pytest.fixture
def images(metadata: Metadata) -> ImageStore:
    return metadata.images("default")
