"""Fixtures for the tests of archives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.errdefs import AlreadyExists, NotFound
from lamina.images import Image, ImageStore
from tests.support.images import Documents
from tests.unit.content.conftest import Labels


class Images(ImageStore):
    """Names of images in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, Image] = {}

    def get(self, name: str) -> Image:
        if name not in self.stored:
            raise NotFound(name)
        return self.stored[name]

    def list(self, *_filters: str) -> Iterator[Image]:
        return iter(self.stored.values())

    def create(self, image: Image) -> Image:
        if image.name in self.stored:
            raise AlreadyExists(image.name)
        self.stored[image.name] = image
        return image

    def update(self, image: Image, fieldpaths: tuple[str, ...] = ()) -> Image:
        assert fieldpaths == ("target",)
        self.stored[image.name] = image
        return image

    def delete(self, name: str) -> None:
        del self.stored[name]


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
