"""The reasons why a thing is kept."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from lamina.errdefs import InvalidArgument, NotFound, Unavailable
from lamina.metadata._node import BLOB, LEASE, SNAPSHOT, Node, blob, image, snapshot
from lamina.metadata.collection._records import Chain, Step
from lamina.metadata.collection._sources import Sources, keyspace_in
from lamina.store import shorten

_OTHERWISE: Final[Mapping[str, str]] = {LEASE: "lease", SNAPSHOT: "its snapshotter is not used at present"}
"""The reasons for keeping a thing that refers to others, and that nothing refers to."""


class References:
    """Notes how things are reached, and returns the chains that lead to one of them."""

    def __init__(self, target: Node) -> None:
        """Note nothing yet.

        Args:
            target: The thing; a blob without its namespace.
        """
        self._target = target
        self._first: dict[Node, tuple[str, Node | None]] = {}
        """The first reference to each thing, on the shortest way: marking goes breadth first."""
        self._found: dict[tuple[Node, str, Node | None], None] = {}
        """The references to the target, in the order of marking."""

    def note(self, node: Node, how: str, by: Node | None) -> None:
        """Note a reference (`Marking`)."""
        self._first.setdefault(node, (how, by))
        if self._target == (blob(node.name) if node.kind == BLOB else node):
            self._found[node, how, by] = None

    def chains(self) -> Sequence[Chain]:
        """Return the shortest chain for each thing that refers to the target.

        Not for what is only reached by way of the target, as a snapshot's child may be.
        """
        found = ((node, how, by) for node, how, by in self._found if self._target not in self._path_to(by))
        return [[*self._steps_to(by), step_to(node, how)] for node, how, by in found]

    def _path_to(self, node: Node | None) -> Iterator[Node]:
        while node is not None:
            yield blob(node.name) if node.kind == BLOB else node
            node = self._first.get(node, ("", None))[1]

    def _steps_to(self, node: Node | None) -> list[Step]:
        steps: list[Step] = []
        while node is not None:
            how, by = self._first.get(node, (_OTHERWISE.get(node.kind, ""), None))
            steps.append(step_to(node, how))
            node = by
        return steps[::-1]


def find(sources: Sources, name: str, namespace: str) -> Node:
    """Return the node of an image, a blob or a snapshot.

    Raises:
        NotFound: There is no such thing.
        Unavailable: The snapshotter does not answer.
    """
    if name.startswith("sha256:"):
        sources.content.info(name)
        return blob(name)
    try:
        sources.metadata.images(namespace).get(name)
    except (NotFound, InvalidArgument):
        return _find_snapshot(sources, name, namespace)
    return image(namespace, name)


def _find_snapshot(sources: Sources, name: str, namespace: str) -> Node:
    wanted, _, key = name.partition("/")
    for snapshotter, one in sources.snapshotters():
        keyspace = keyspace_in(one, namespace) if snapshotter == wanted else None
        if keyspace is not None:
            try:
                sources.answers.call(snapshotter, functools.partial(keyspace.stat, key))
            except Unavailable as error:
                raise Unavailable(f"snapshotter {snapshotter}: {error}") from error
            return snapshot(namespace, snapshotter, key)
    raise NotFound(
        f"{shorten(name)} is not an image, a digest or a snapshot (SNAPSHOTTER/NAME) in namespace {namespace}"
    )


def step_to(node: Node, how: str) -> Step:
    """Return a step of a chain."""
    return Step(node.kind, node.name, node.namespace, node.snapshotter, how)
