"""Things that stay because they were made or changed a moment ago, and those that they refer to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from lamina.errdefs import NotFound
from lamina.metadata._node import BLOB, Node, snapshot
from lamina.metadata._references import refers
from lamina.metadata.collection._listing import Listing
from lamina.metadata.collection._marking import Marking
from lamina.metadata.collection._sources import Sources


class Recent:
    """The things that stay because of their age."""

    def __init__(
        self, sources: Sources, listing: Listing, marking: Marking, needed: Marking, grace: Callable[[], float]
    ) -> None:
        """Mark nothing yet; see `mark`.

        Args:
            sources: Have the blobs.
            listing: Has the things that refer to others.
            marking: Empty; gets the young things, with all that they refer to.
            needed: The things that stay anyway.
            grace: Returns the seconds for which new things stay.
        """
        self._sources = sources
        self._listing = listing
        self._marking = marking
        self._needed = needed
        self.grace = grace

    def mark(self) -> Iterator[None]:
        """Mark the young things that nothing needs and that refer to others, in steps."""
        young = (node for node, changed in self._referring() if self.is_young(node, changed))
        yield from self._marking.mark(young, "made or changed a moment ago")

    def keeps(self, node: Node, changed: int) -> bool:
        """Return whether a thing is young, or a young one refers to it.

        Args:
            node: The thing; a blob without its namespace.
            changed: The time of its last change, in nanoseconds since 1970.
        """
        return self._marking.has(node) or self.is_young(node, changed)

    def is_young(self, node: Node, changed: int) -> bool:
        """Return whether a thing is young; see `keeps`."""
        if self._sources.protection.named(node) >= changed:
            return False
        return time.time_ns() - changed < self.grace() * 1e9

    def changed(self, node: Node) -> int:
        """Return when a blob or a snapshot was made or changed, in nanoseconds since 1970; 0 if it is gone."""
        if node.kind == BLOB:
            try:
                info = self._sources.content.info(node.name)
            except NotFound:
                return 0
            return max(info.created, info.updated)
        keyspace = self._listing.keyspaces.get((node.namespace, node.snapshotter))
        listed = keyspace and keyspace.snapshots.get(node.name)
        return listed.changed if listed else 0

    def _referring(self) -> Iterator[tuple[Node, int]]:
        for node in self._listing.referring:
            if not self._needed.has(node):
                yield node, self.changed(node)
        for keyspace in self._listing.keyspaces.values():
            for key, listed in keyspace.snapshots.items():
                node = snapshot(keyspace.namespace, keyspace.name, key)
                if refers(listed.labels) and not listed.is_abandoned and not self._needed.has(node):
                    yield node, listed.changed
