"""The space that images occupy."""

from __future__ import annotations

import contextlib
import functools
from collections import Counter
from collections.abc import Iterable, Iterator

from lamina.context import current
from lamina.errdefs import NotFound, message
from lamina.metadata._node import BLOB, IMAGE, SNAPSHOT, Node, blob, image, snapshot
from lamina.metadata.collection._edges import Edges
from lamina.metadata.collection._listing import Keyspace, Listing
from lamina.metadata.collection._marking import Marking
from lamina.metadata.collection._records import ImageUsage, Usage
from lamina.metadata.collection._sources import Sources


class Measuring:
    """Measures what the images of all namespaces need."""

    def __init__(
        self, sources: Sources, listing: Listing, edges: Edges, marking: Marking, others: Marking
    ) -> None:
        """Measure nothing yet; see `usage`."""
        self._sources = sources
        self._listing = listing
        self._edges = edges
        self._marking = marking
        self._others = others
        self._sizes: dict[Node, int] = {}

    def usage(self) -> Usage:
        """Return the usage of all images, and that of everything."""
        blobs = {blob(info.digest): info.size for info in self._sources.content.walk()}
        snapshots = dict(self._measure())
        self._sizes = blobs | snapshots
        needed = {node: self._needs(node) for node in self._images()}
        users = Counter(one for nodes in needed.values() for one in nodes)
        users.update(one for one in users if self._others.has(one))
        return Usage(
            images=[self._usage_of(node, nodes, users) for node, nodes in needed.items()],
            content=sum(blobs.values()),
            snapshots=sum(snapshots.values()),
            reclaimable=sum(size for node, size in self._sizes.items() if self._is_reclaimable(node)),
            failures=self._listing.described_failures(),
        )

    def _images(self) -> Iterable[Node]:
        for namespace in self._listing.namespaces:
            for one in self._sources.metadata.images(namespace).list():
                yield image(namespace, one.name)

    def _measure(self) -> Iterator[tuple[Node, int]]:
        """Yield the committed snapshots with their sizes."""
        for (namespace, name), keyspace in self._listing.keyspaces.items():
            sizes = functools.partial(_sizes, keyspace)
            try:
                for key, size in self._sources.answers.read(name, sizes):
                    yield snapshot(namespace, name, key), size
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a failing snapshotter does not hide the rest
                current().check()
                self._listing.failures.append((namespace, name, message(error) or type(error).__name__))

    def _needs(self, node: Node) -> set[Node]:
        """Return the blobs and snapshots that an image needs."""
        needed: set[Node] = set()
        marking = Marking(self._listing, self._edges, lambda one, how, by: needed.add(_everywhere(one)))
        marking.add(node, IMAGE)
        for _ in marking.follow():
            pass
        return needed & self._sizes.keys()

    def _usage_of(self, node: Node, needed: set[Node], users: Counter[Node]) -> ImageUsage:
        sizes: Counter[tuple[str, bool]] = Counter()
        for one in needed:
            sizes[one.kind, users[one] > 1] += self._sizes[one]
        return ImageUsage(
            node.namespace,
            node.name,
            own_content=sizes[BLOB, False],
            shared_content=sizes[BLOB, True],
            own_snapshots=sizes[SNAPSHOT, False],
            shared_snapshots=sizes[SNAPSHOT, True],
        )

    def _is_reclaimable(self, node: Node) -> bool:
        is_collected = node.kind != BLOB or (self._sources.collects_content and not self._listing.failures)
        return is_collected and not self._marking.has(node) and not self._sources.protection.is_held(node)


def _sizes(keyspace: Keyspace) -> Iterator[tuple[str, int]]:
    for key, listed in keyspace.snapshots.items():
        if listed.is_committed:
            with contextlib.suppress(NotFound):  # removed meanwhile
                yield key, keyspace.snapshotter.usage(key).size


def _everywhere(node: Node) -> Node:
    return blob(node.name) if node.kind == BLOB else node
