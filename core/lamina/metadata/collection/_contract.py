"""The abstract `GarbageCollector`."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # attrs classes, which a start needs none of
    from lamina.metadata.collection._records import Chain, Removed, Usage


class GarbageCollector(abc.ABC):
    """Removes what nothing refers to. Every method may be called from any thread."""

    @abc.abstractmethod
    def collect(self, *, dry_run: bool = False, content_only: bool = False) -> Iterator[Removed]:
        """Remove what nothing needs, and yield it; close an iterator that is not exhausted.

        One collection runs at a time; others wait. Dry runs wait for none. A failure is yielded like a removal,
        and the collection continues.

        Args:
            dry_run: Remove nothing, and yield what would be removed.
            content_only: Remove blobs only, and ingests that no writer has.

        Raises:
            Canceled, DeadlineExceeded: The current call ended.
            DataLoss: Entries of the metastore are damaged, or were left out, which may say what is needed.
            Unavailable: The metastore cannot be read.
        """

    @abc.abstractmethod
    def discard(self, digests: Collection[str]) -> None:
        """Remove those of some blobs that nothing needs. Age protects no blob of a temporary lease.

        Args:
            digests: The blobs, which need not be there.

        Raises:
            Canceled, DeadlineExceeded: The current call ended.
            DataLoss, Unavailable: The metastore cannot be read.
        """

    @abc.abstractmethod
    def usage(self) -> Usage:
        """Return the space that images occupy, in all namespaces."""

    @abc.abstractmethod
    def why(self, name: str, namespace: str) -> Sequence[Chain]:
        """Return the shortest chain of references to a thing, for each thing that refers to it.

        Args:
            name: The name of an image, a digest, or `<snapshotter>/<name>` of a snapshot.
            namespace: The namespace of an image or a snapshot.

        Raises:
            NotFound: There is no such thing.
        """
