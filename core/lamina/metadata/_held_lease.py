"""A temporary lease."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from lamina.errdefs import FailedPrecondition
from lamina.metadata._node import BLOB, Node, blob, snapshot
from lamina.metadata._protection import Protection
from lamina.metadata._resources import Resource
from lamina.store import shorten


class HeldLease:
    """Protects the resources added to it until the end of the block (`lamina.images.TemporaryLease`)."""

    def __init__(self, protection: Protection, namespace: str) -> None:
        """Use `Metadata.temporary_lease`."""
        self._protection = protection
        self._namespace = namespace
        self._nodes: set[Node] = set()
        self._has_ended = False
        self._guard = threading.Lock()

    def add_blob(self, digest: str) -> None:
        """Implement `TemporaryLease.add_blob`."""
        self._add(blob(digest))

    def add_snapshot(self, snapshotter: str, key: str) -> None:
        """Implement `TemporaryLease.add_snapshot`."""
        self._add(snapshot(self._namespace, snapshotter, key))

    def resources(self) -> list[Resource]:
        """Return what it protects, as resources of a durable lease."""
        with self._guard:
            return [_resource(node) for node in self._nodes]

    def _add(self, node: Node) -> None:
        with self._guard:
            if self._has_ended:
                raise FailedPrecondition(f"keep {node.kind} {shorten(node.name)}: the temporary lease has ended")
            if node not in self._nodes:
                self._nodes.add(node)
                self._protection.hold([node])
        self._protection.wait_for(node)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with self._guard:
            self._protection.release(self._nodes, named=error is None)
            self._has_ended = True


def _resource(node: Node) -> Resource:
    if node.kind == BLOB:
        return Resource("content", node.name)
    return Resource(f"snapshots/{node.snapshotter}", node.name)
