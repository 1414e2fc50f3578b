"""Hard links: the names of each file, and the ones that a layer has to have."""

from __future__ import annotations

import os
from typing import TypeAlias

import attrs

from lamina.layers.comparing._change import ChangeKind
from lamina.layers.comparing._node import Node

Inode: TypeAlias = tuple[int, int]
"""Device and inode number."""


class NamesMissing(Exception):
    """Files have names that were not met."""


def inode(status: os.stat_result) -> Inode:
    """Return the inode of a file."""
    return status.st_dev, status.st_ino


@attrs.define(eq=False, repr=False)
class _Group:
    """The names of a file of the later tree in the order of the layer, with their inodes in the earlier tree."""

    links: int
    """The link count."""
    names: list[tuple[Node, Inode | None]] = attrs.field(factory=list)


@attrs.define(eq=False, repr=False)
class LinkGroups:
    """The names of the files of the later tree that have several, or had several in the earlier one.

    Which names belong together is known from the inodes of the names that were met. Link counts only tell that
    there is nothing to look for: on an overlay they count names that it hides.
    """

    _groups: dict[Inode, _Group] = attrs.field(factory=dict)
    """By inode, in the order of their first names."""
    _unmet: dict[Inode, int] = attrs.field(factory=dict)
    """The number of links not yet met of each file of the earlier tree."""

    def meet(self, old: os.stat_result) -> None:
        """Note a name of the earlier tree whose file may have several."""
        if old.st_nlink > 1:
            file = inode(old)
            self._unmet[file] = self._unmet.get(file, old.st_nlink) - 1

    def add(self, node: Node, old: os.stat_result | None, new: os.stat_result) -> None:
        """Add a name of the later tree, in the order of the layer.

        Args:
            node: The path.
            old: Its status in the earlier tree.
            new: Its status in the later tree.
        """
        group = self._groups.setdefault(inode(new), _Group(new.st_nlink))
        group.names.append((node, None if old is None else inode(old)))

    def settle(self, *, met_all: bool) -> None:
        """Decide which groups a layer has: their nodes differ from then on.

        A group is left out if applying the layer leaves exactly its names as they are: none of them differs, and
        in the earlier tree they were names of one file. If a file was split, one part of it can be left out.

        Args:
            met_all: Whether all names of both trees were met.

        Raises:
            NamesMissing: A name that was not met may change the decision.
        """
        unwritten: dict[Inode, list[list[Node]]] = {}
        for group in self._groups.values():
            if not met_all and group.links > len(group.names):
                raise NamesMissing
            nodes = [node for node, _ in group.names]
            old = group.names[0][1]
            if old is None or any(node.kind or other != old for node, other in group.names):
                _write(nodes)
            else:
                unwritten.setdefault(old, []).append(nodes)
        for file, parts in unwritten.items():
            if not met_all and self._unmet.get(file):
                raise NamesMissing
            for nodes in parts[1:]:
                _write(nodes)


def _write(nodes: list[Node]) -> None:
    """Mark a file to be written: its data under the first name, hard links for the others."""
    first, *others = nodes
    first.kind = first.kind or ChangeKind.MODIFY
    for node in others:
        node.kind = node.kind or ChangeKind.MODIFY
        node.source = first
