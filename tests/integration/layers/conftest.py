"""Fixtures for tests that apply layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content import Blob
from tests.support.blobs import blob_in_file
from tests.support.images.built import layer

FILES = {f"file{number}": "data" for number in range(50)}


@pytest.fixture
def blob(tmp_path: Path) -> Iterator[Blob]:
    """A layer with `FILES`, in the middle of a file."""
    with blob_in_file(tmp_path / "blob", layer(FILES), offset=512) as blob:
        yield blob


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """An empty directory."""
    directory = tmp_path / "target"
    directory.mkdir()
    return directory
