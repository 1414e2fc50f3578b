"""A store, and a table in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.store import Store, Table


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(str(tmp_path / "store"))
    yield store
    store.close()


@pytest.fixture
def table(store: Store) -> Table:
    return store.table("notes", 1)
