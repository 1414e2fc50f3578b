"""Labels of blobs for tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class MemoryLabels:
    """Keeps the labels of blobs in memory: a `lamina.content.BlobLabels`."""

    def __init__(self) -> None:
        self._labels: dict[str, Mapping[str, str]] = {}

    def get(self, digest: str) -> Mapping[str, str]:
        return self._labels.get(digest, {})

    def put(self, digest: str, labels: Mapping[str, str]) -> None:
        self._labels[digest] = dict(labels)

    def delete(self, digest: str) -> None:
        self._labels.pop(digest, None)

    def walk(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        yield from sorted(self._labels.items())
