"""Fixtures for the tests of content stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore


class Labels:
    """Labels of blobs in memory."""

    def __init__(self) -> None:
        self.stored: dict[str, Mapping[str, str]] = {}

    def get(self, digest: str) -> Mapping[str, str]:
        return self.stored.get(digest, {})

    def put(self, digest: str, labels: Mapping[str, str]) -> None:
        self.stored[digest] = dict(labels)

    def delete(self, digest: str) -> None:
        self.stored.pop(digest, None)

    def walk(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        return iter(sorted(self.stored.items()))


@pytest.fixture
def labels() -> Labels:
    return Labels()


@pytest.fixture
def store(tmp_path: Path, labels: Labels) -> Iterator[LocalContentStore]:
    """An empty store in the directory `content`."""
    opened = LocalContentStore(str(tmp_path / "content"), labels)
    yield opened
    opened.close()
