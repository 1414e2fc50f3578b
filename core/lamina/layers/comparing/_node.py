"""The paths that a layer may have, in the order in which it has them."""

from __future__ import annotations

import os
from typing import Final

import attrs

from lamina.layers.applying._paths import WHITEOUT
from lamina.layers.comparing._change import ChangeKind

DELETE: Final = ChangeKind.DELETE  # looked up once, since that takes longer than for other classes


@attrs.define(eq=False, repr=False)
class Node:
    """A path that differs, is above one that does, or has several names."""

    parent: Node | None
    """The directory that it is in; None for the root."""
    name: str
    """Its name there; empty for the root."""
    kind: ChangeKind | None
    """The way in which it differs; None if it does not."""
    is_directory: bool = False
    """True if it is a directory now."""
    is_file: bool = False
    """True if it is a regular file now."""
    size: int = 0
    """As `Change.size`."""
    mtime: int | None = None
    """The modification time in nanoseconds; None for directories and what was deleted."""
    source: Node | None = None
    """The first name of its file, if this is another one."""
    is_written: bool = False
    """True if the layer has an entry for it."""

    @property
    def entry_name(self) -> bytes:
        """The name of its entry in a layer, without the directory that it is in: layers are sorted by these."""
        name = os.fsencode(self.name)
        if self.kind is DELETE:
            return WHITEOUT + name
        return name + b"/" if self.is_directory else name

    @property
    def path(self) -> bytes:
        """The path without a leading slash."""
        names = []
        node = self
        while node.parent is not None:
            names.append(os.fsencode(node.name))
            node = node.parent
        return b"/".join(reversed(names))
