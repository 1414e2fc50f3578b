"""Overlays on id-mapped layers, with the owners that the container sees."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import InvalidArgument, MountFailed
from lamina.mount import _syscalls
from lamina.mount._mount_point import make_mount_point
from lamina.mount._mounting import explain
from lamina.mount._options import parse_options
from lamina.mount._overlay import overlay_directories
from lamina.mount._readonly import read_only, without_volatile
from lamina.mount._record import Mount
from lamina.mount.idmap._maps import IdMaps
from lamina.mount.idmap._mounts import mount_on_mapped
from lamina.mount.idmap._user_namespace import user_namespace

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MNT_DETACH: Final = 2  # umount2(2)


def has_host_ids(mount: Mount) -> bool:
    """Return whether a mount writes files with the owners of the host, and shows others with those of a container.

    So does an overlay with an upper directory whose layers are id-mapped. Files that are written to any other
    id-mapped mount have the container's owners on disk.

    Raises:
        InvalidArgument: An option is malformed.
    """
    is_mapped = parse_options(mount.options).id_maps is not None
    return is_mapped and mount.type == "overlay" and bool(overlay_directories(mount.options).upper)


@contextlib.contextmanager
def opened_container_view(mount: Mount) -> Iterator[int]:
    """Show an overlay with the owners that the container sees for the duration of a `with` block.

    Its layers are not mapped, and its upper directory is mapped back. What belongs to none of the container's
    users there belongs to the overflow user 65534, as in the container (user_namespaces(7), "Unmapped user and
    group IDs"). No path leads to the tree, and nothing of it stays if the process is killed.

    Args:
        mount: The overlay, for which `has_host_ids` is true.

    Yields:
        The descriptor of the root directory, which is read-only.

    Raises:
        InvalidArgument: It is not such an overlay.
        MountFailed: The kernel refused a mount.
    """
    maps = parse_options(mount.options).id_maps
    if maps is None or not has_host_ids(mount):
        raise InvalidArgument(f"show {mount} as a container sees it: it is not an overlay on id-mapped layers")
    root = _open(mount, IdMaps(maps.uids.inverse(), maps.gids.inverse()))
    try:
        yield root
    finally:
        os.close(root)


def _open(mount: Mount, back: IdMaps) -> int:
    (view,) = without_volatile(read_only([mount]))
    place = make_mount_point()
    try:
        with user_namespace(back) as namespace:
            namespaces = itertools.chain([namespace], itertools.repeat(None))
            mount_on_mapped(namespaces, view, parse_options(view.options), place)
        try:
            return os.open(place, _DIRECTORY)
        finally:
            _syscalls.umount2(place, _MNT_DETACH)
    except OSError as error:
        raise MountFailed(explain(mount, "a descriptor", error)) from error
    finally:
        os.rmdir(place)
