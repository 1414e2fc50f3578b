"""Hard links: which names are those of one file, and which of them a layer has to bring."""

from __future__ import annotations

import os
from typing import TypeAlias

import attrs

from lamina.layers.comparing._change import ChangeKind
from lamina.layers.comparing._node import Node
from lamina.layers.comparing._overlay import NamesMissing

Inode: TypeAlias = tuple[int, int]
"""Device and inode number."""


def inode(status: os.stat_result) -> Inode:
    """Return the inode of a file."""
    return status.st_dev, status.st_ino


@attrs.define(eq=False, repr=False)
class LinkGroups:
    """The names of the files of the later tree that have several, or had several in the earlier one.

    Which names belong together is known from the inodes of the names that were met. Link counts only tell where
    there is nothing to look for: on an overlay they count names that it hides.
    """

    _groups: dict[Inode, list[tuple[Node, Inode | None]]] = attrs.field(factory=dict)
    """By inode, in the order of their first names."""
    _met: dict[Inode, int] = attrs.field(factory=dict)
    """How many names of a file of the earlier tree were met."""
    _links: dict[Inode, int] = attrs.field(factory=dict)
    """Its link count."""

    def meet(self, old: os.stat_result) -> None:
        """Take note of a name of the earlier tree whose file has several."""
        file = inode(old)
        self._met[file] = self._met.get(file, 0) + 1
        self._links[file] = old.st_nlink

    def add(self, node: Node, old: Inode | None, new: Inode) -> None:
        """Add a name of the later tree, in the order of the layer.

        Args:
            node: The path.
            old: The inode of the path in the earlier tree.
            new: Its inode in the later tree.
        """
        self._groups.setdefault(new, []).append((node, old))

    def settle(self, *, met_all: bool) -> None:
        """Decide which groups a layer has: their nodes differ from then on.

        A group is left out if applying the layer leaves exactly its names as they are: none of them differs, and
        in the earlier tree they were names of one file. If a file was split, one part of it can be left out.

        Args:
            met_all: Whether all names of both trees were met.

        Raises:
            NamesMissing: A file that would be left out may have names that were not met.
        """
        unwritten: dict[Inode, list[list[Node]]] = {}
        for members in self._groups.values():
            nodes = [node for node, _ in members]
            old = members[0][1]
            if old is None or any(node.kind or other != old for node, other in members):
                _write(nodes)
            else:
                unwritten.setdefault(old, []).append(nodes)
        for file, groups in unwritten.items():
            if not met_all and self._links.get(file, 1) > self._met.get(file, 1):
                raise NamesMissing
            for nodes in groups[1:]:
                _write(nodes)


def _write(nodes: list[Node]) -> None:
    """Have a file written whole: its data under the first name, hard links for the others."""
    first, *others = nodes
    first.kind = first.kind or ChangeKind.MODIFY
    for node in others:
        node.kind = node.kind or ChangeKind.MODIFY
        node.source = first
