"""Fixtures for the tests of content stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from tests.support.blobs import MemoryLabels


@pytest.fixture
def labels() -> MemoryLabels:
    return MemoryLabels()


@pytest.fixture
def store(tmp_path: Path, labels: MemoryLabels) -> Iterator[LocalContentStore]:
    """An empty store in the directory `content`."""
    opened = LocalContentStore(str(tmp_path / "content"), labels)
    yield opened
    opened.close()
