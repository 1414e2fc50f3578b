"""The place where a content store keeps the labels of its blobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol


class BlobLabels(Protocol):
    """Keeps the labels of blobs durably. Every method may be called from any thread.

    Labels may be there without their blob: they are stored before it, and deleted after it.
    """

    def get(self, digest: str) -> Mapping[str, str]:
        """Return the labels of a blob; none if nothing is stored for it."""

    def put(self, digest: str, labels: Mapping[str, str]) -> None:
        """Replace the labels of a blob."""

    def delete(self, digest: str) -> None:
        """Delete the labels of a blob, which need not have any."""

    def put_all(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        """Replace the labels of several blobs, of all or of none. Entries without labels are deleted.

        Args:
            labels: The labels of each blob, by digest; up to a few hundred blobs.
        """

    def walk(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield each digest that has labels, with them, in byte order."""
