"""Fixtures for the tests of archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from tests.support.blobs import MemoryLabels
from tests.support.images import Documents, Images


@pytest.fixture
def made() -> Documents:
    return Documents()


@pytest.fixture
def labels() -> MemoryLabels:
    return MemoryLabels()


@pytest.fixture
def content(tmp_path: Path, labels: MemoryLabels) -> Iterator[LocalContentStore]:
    store = LocalContentStore(str(tmp_path / "content"), labels)
    yield store
    store.close()


@pytest.fixture
def images() -> Images:
    return Images()
