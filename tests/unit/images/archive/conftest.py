"""Fixtures for the tests of archives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.images import ImageStore
from lamina.metadata import Metadata
from lamina.store import Store
from tests.support.images import Documents


@pytest.fixture
def made() -> Documents:
    return Documents()


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Metadata]:
    with closing(Store.open(str(tmp_path / "store"))) as store:
        yield Metadata.open(store)


@pytest.fixture
def content(tmp_path: Path, metadata: Metadata) -> Iterator[LocalContentStore]:
    with closing(LocalContentStore(str(tmp_path / "content"), metadata.labels)) as store:
        yield store


@pytest.fixture
def images(metadata: Metadata) -> ImageStore:
    return metadata.images("default")
