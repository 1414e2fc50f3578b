"""Overlays: the directories that have the changes from one to another.

An upper directory has every name that may differ from the layers below, and marks directories through which they
do not show (Documentation/filesystems/overlayfs.rst).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import Final

from lamina.fs import TreeCursor, xattr_names
from lamina.layers.applying._overlay import XATTRS, has_name
from lamina.mount import Mount, MountFlag, overlay_directories, parse_options

_HIDING: Final = frozenset(os.fsdecode(prefix) + mark for prefix in XATTRS for mark in ("opaque", "redirect"))
"""The marks of directories that show nothing of those below of the same path, or show another one instead."""
_MOST: Final = 32
"""Directories on top that are read; each needs up to 16 descriptors."""


def layers_on_top(lower: Sequence[Mount], upper: Sequence[Mount]) -> tuple[str, ...] | None:
    """Return the directories of two overlays that lie above the layers that both have.

    Returns:
        The directories; those of each overlay topmost first. None if the mounts are not overlays, have no layer in
        common, or enough others that walking both trees is cheaper.
    """
    below, above = _layers(lower), _layers(upper)
    if below is None or above is None:
        return None
    pairs = zip(reversed(below), reversed(above), strict=False)
    common = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    on_top = above[: len(above) - common] + below[: len(below) - common]
    return on_top if common and len(on_top) <= _MOST else None


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
    """Return whether an option of an overlay makes it show more than its directories have."""
    return option.startswith("datadir+=") or "::" in option or "nfs_export=on" in option


def enter_layers(layers: Sequence[TreeCursor], name: str) -> tuple[TreeCursor, ...] | None:
    """Descend into a directory in those layers that have it.

    Args:
        layers: The layers on top, as `layers_on_top` returns them.
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
