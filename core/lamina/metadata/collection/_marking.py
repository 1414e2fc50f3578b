"""Marking: finding everything to which references lead from the roots."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from lamina.metadata._node import BLOB, EVERY, IMAGE, SNAPSHOT, Node, blob
from lamina.metadata.collection._edges import Edges
from lamina.metadata.collection._listing import STEP, Listing

Found: TypeAlias = Callable[[Node, str, Node | None], object]
"""Called with every reference that is met: its target, its name, and its source (None for roots)."""


class Marking:
    """The things that are needed."""

    def __init__(self, listing: Listing, edges: Edges, found: Found = lambda node, how, by: None) -> None:
        """Mark nothing yet."""
        self._listing = listing
        self._edges = edges
        self._found = found
        self._marked: set[Node] = set()
        self._digests: set[str] = set()
        """Blobs that are marked in any namespace."""
        self._flat: set[Node] = set()
        """Things that are kept without their references. Blobs have no namespace."""
        self._queue: deque[Node] = deque()

    def has(self, node: Node) -> bool:
        """Return whether a thing is needed; a blob, in any namespace."""
        if node.kind == BLOB:
            return node.name in self._digests or blob(node.name) in self._flat
        return node in self._marked or node in self._flat

    def mark_roots(self, *, images: bool = True) -> Iterator[None]:
        """Mark the roots and everything they lead to, in steps.

        Args:
            images: Whether images are roots, too.
        """
        roots = (root for root in self._listing.roots if images or root.node.kind != IMAGE)
        for number, root in enumerate(roots):
            if root.flat:
                self._keep(root.node, root.how, root.by)
            else:
                self.add(root.node, root.how, root.by)
            if number % STEP == 0:
                yield
        yield from self.follow()

    def mark(self, nodes: Iterable[Node], how: str = "changed meanwhile") -> Iterator[None]:
        """Mark things and everything they lead to, in steps."""
        for node in nodes:
            self.add(node, how)
        yield from self.follow()

    def add(self, node: Node, how: str, by: Node | None = None) -> None:
        """Mark a thing, but not yet its references."""
        if node.namespace == EVERY and node.kind != BLOB:
            for namespace in self._listing.namespaces:
                self.add(node._replace(namespace=namespace), how, by)
            return
        self._found(node, how, by)
        if node in self._marked or (node.kind == BLOB and blob(node.name) in self._marked):
            return
        self._marked.add(node)
        if node.kind == BLOB:
            self._digests.add(node.name)
        self._queue.append(node)

    def follow(self) -> Iterator[None]:
        """Mark the things that marked ones refer to, in steps."""
        done = 0
        while self._queue:
            node = self._queue.popleft()
            for how, other in self._edges.of(node):
                self.add(other, how, node)
            done += 1
            if done % STEP == 0:
                yield

    def _keep(self, node: Node, how: str, by: Node | None) -> None:
        """Keep a resource of a flat lease: with its parents if it is a snapshot, with its target if an image."""
        while True:
            self._found(node, how, by)
            self._flat.add(blob(node.name) if node.kind == BLOB else node)
            below = self._below(node)
            if below is None:
                return
            node, how, by = below, "target" if node.kind == IMAGE else "parent", node

    def _below(self, node: Node) -> Node | None:
        if node.kind == SNAPSHOT:
            return self._edges.parent(node)
        if node.kind == IMAGE:
            return next((other for how, other in self._edges.of(node) if how == "target"), None)
        return None
