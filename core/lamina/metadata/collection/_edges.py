"""The references that lead from a thing to others."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

from lamina.errdefs import Error, InvalidArgument, NotFound
from lamina.metadata._node import BLOB, IMAGE, Node, snapshot
from lamina.metadata._references import references, targets
from lamina.metadata.collection._listing import Listing
from lamina.metadata.collection._sources import Sources


class Edges:
    """Finds the things that a thing refers to, as it is now."""

    def __init__(self, sources: Sources, listing: Listing) -> None:
        """Find nothing yet.

        Args:
            sources: Have the labels.
            listing: Has the snapshots and the back references.
        """
        self._sources = sources
        self._listing = listing

    def of(self, node: Node) -> Iterator[tuple[str, Node]]:
        """Yield the things that a thing keeps, each with the reference."""
        with contextlib.suppress(NotFound, InvalidArgument):  # a reference to what is not there, or cannot be
            yield from self._of(node)
        yield from self._listing.kept_by(node)

    def parent(self, node: Node) -> Node | None:
        """Return the parent of a snapshot that was listed."""
        keyspace = self._listing.keyspaces.get((node.namespace, node.snapshotter))
        listed = keyspace and keyspace.snapshots.get(node.name)
        return node._replace(name=listed.parent) if listed and listed.parent else None

    def _of(self, node: Node) -> Iterator[tuple[str, Node]]:
        metadata = self._sources.metadata
        if node.kind == IMAGE:
            yield from _shown(targets(metadata.images(node.namespace).get(node.name), node.namespace))
        elif node.kind == BLOB:
            yield from _shown(references(metadata.labels.get(node.name), node.namespace))
        else:
            yield from self._of_snapshot(node)

    def _of_snapshot(self, node: Node) -> Iterator[tuple[str, Node]]:
        keyspace = self._listing.keyspaces.get((node.namespace, node.snapshotter))
        if keyspace is None:
            return
        listed = keyspace.snapshots.get(node.name)
        if listed is not None:
            parent, labels = listed.parent, listed.labels
        else:  # made since it was listed
            try:
                info = self._sources.answers.call(
                    keyspace.name, functools.partial(keyspace.snapshotter.stat, node.name)
                )
            except Error:
                return
            parent, labels = info.parent, info.labels
        if parent:
            yield "parent", snapshot(node.namespace, node.snapshotter, parent)
        yield from _shown(references(labels, node.namespace))


def _shown(found: Iterator[tuple[str, Node]]) -> Iterator[tuple[str, Node]]:
    for how, node in found:
        yield how if how == "target" else f"label {how}", node
