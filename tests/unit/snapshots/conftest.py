"""A metastore, and a keyspace in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.snapshots.storage import Keyspace, MetaStore
from lamina.store import _startup_checks


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetaStore]:
    store = MetaStore.open(str(tmp_path / "metastore"))
    yield store
    store.close()


@pytest.fixture
def keyspace(store: MetaStore) -> Keyspace:
    return store.snapshotter("overlayfs").keyspace("lamina")


@pytest.fixture
def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is checked as a large one is."""
    monkeypatch.setattr(_startup_checks, "SMALL", 0)
    monkeypatch.setattr(_startup_checks, "LARGE", 0)
