"""A metastore, and a keyspace in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.snapshots.storage import Keyspace, MetaStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetaStore]:
    store = MetaStore.open(str(tmp_path / "metastore"))
    yield store
    store.close()


@pytest.fixture
def keyspace(store: MetaStore) -> Keyspace:
    return store.snapshotter("overlayfs").keyspace("lamina")
