"""Fixtures for the tests of archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from tests.support.images import Documents, Images
from tests.unit.content.conftest import Labels


@pytest.fixture
def made() -> Documents:
    return Documents()


@pytest.fixture
def labels() -> Labels:
    return Labels()


@pytest.fixture
def content(tmp_path: Path, labels: Labels) -> Iterator[LocalContentStore]:
    store = LocalContentStore(str(tmp_path / "content"), labels)
    yield store
    store.close()


@pytest.fixture
def images() -> Images:
    return Images()
