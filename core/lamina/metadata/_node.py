"""The things that a collector keeps or removes, and their names in its graph."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

IMAGE: Final = "image"
LEASE: Final = "lease"
SNAPSHOT: Final = "snapshot"
BLOB: Final = "blob"

EVERY: Final = ""
"""The namespace of a blob that is needed in all of them, and of a blob itself, which they share."""


class Node(NamedTuple):
    """A node of the graph. A blob has one in each namespace, since what it refers to is there."""

    kind: Literal["image", "lease", "snapshot", "blob"]
    namespace: str
    name: str
    snapshotter: str = ""


def blob(digest: str, namespace: str = EVERY) -> Node:
    """Return the node of a blob."""
    return Node(BLOB, namespace, digest)


def snapshot(namespace: str, snapshotter: str, key: str) -> Node:
    """Return the node of a snapshot."""
    return Node(SNAPSHOT, namespace, key, snapshotter)


def image(namespace: str, name: str) -> Node:
    """Return the node of an image."""
    return Node(IMAGE, namespace, name)
