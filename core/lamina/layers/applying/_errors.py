"""Errors of entries that do not fit the tree."""

from __future__ import annotations

from lamina.errdefs import Aborted, InvalidArgument
from lamina.layers._entry import Entry
from lamina.layers.applying._directory import Directory
from lamina.layers.applying._paths import shown


def not_a_directory(parent: Directory, name: bytes) -> InvalidArgument:
    """Return the error for a path that continues below a file."""
    return InvalidArgument(f"apply the layer: {shown(parent.below(name))} is not a directory")


def bad_target(entry: Entry, why: str) -> InvalidArgument:
    """Return the error for a hard link that cannot be made."""
    name, target = shown(entry.name), shown(entry.link)
    return InvalidArgument(f"apply the layer: {name} is a hard link to {target}, {why}")


def keeps_coming(parent: Directory, name: bytes) -> Aborted:
    """Return the error for a name that is there again each time that it was removed."""
    path = shown(parent.below(name))
    return Aborted(f"apply the layer: another process keeps making {path}; stop it, and try again")
