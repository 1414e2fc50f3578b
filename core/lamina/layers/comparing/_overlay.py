"""Overlays: where the changes are that one makes to another.

An upper directory has every name that may differ from the layers below, and marks directories through which they
do not show (Documentation/filesystems/overlayfs.rst).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from lamina.fs import TreeCursor, xattr_names
from lamina.layers.applying._overlay import XATTRS, has_name
from lamina.mount import Mount, MountFlag, overlay_directories, parse_options

_HIDING: Final = frozenset(os.fsdecode(prefix) + mark for prefix in XATTRS for mark in ("opaque", "redirect"))
"""The marks of directories that show nothing of those below of the same path, or show another one instead."""


def layers_on_top(lower: Sequence[Mount], upper: Sequence[Mount]) -> tuple[str, ...] | None:
    """Return the directories of an overlay that lie above all layers of another.

    Args:
        lower: The mounts of the earlier tree.
        upper: The mounts of the later tree.

    Returns:
        The directories, topmost first; None if the mounts are no overlays, or the later one has other layers.
    """
    below, layers = _layers(lower), _layers(upper)
    if below is None or layers is None or layers[len(layers) - len(below) :] != below:
        return None
    return layers[: len(layers) - len(below)]


def _layers(mounts: Sequence[Mount]) -> tuple[str, ...] | None:
    """Return the layers that mounts show, topmost first; None if they show something else."""
    if len(mounts) != 1 or mounts[0].target:
        return None
    (mount,) = mounts
    options = parse_options(mount.options)
    if options.id_maps is not None:
        return None
    if options.flags & MountFlag.BIND:
        return (mount.source,)
    if mount.type != "overlay" or any(_is_beyond(option) for option in options.data):
        return None
    directories = overlay_directories(options.data)
    return (directories.upper, *directories.lower) if directories.upper else directories.lower


def _is_beyond(option: str) -> bool:
    """Return whether an option of an overlay makes it show more than its directories say."""
    return option.startswith("datadir+=") or "::" in option or "nfs_export=on" in option


def enter_layers(layers: Sequence[TreeCursor], name: str) -> tuple[TreeCursor, ...] | None:
    """Descend into a directory in those layers that have it.

    Args:
        layers: The layers on top, topmost first.
        name: A directory of both trees.

    Returns:
        The layers that were entered; None if the directory below does not show through them, and none was entered.

    Raises:
        OSError: A directory cannot be opened.
    """
    entered: list[TreeCursor] = []
    for layer in layers:
        if layer.try_enter(name):
            entered.append(layer)
            hides = not _HIDING.isdisjoint(xattr_names(layer.fd))
        else:
            hides = has_name(layer.fd, name)
        if hides:
            for other in entered:
                other.leave()
            return None
    return tuple(entered)
