"""Derive other mounts: read-only ones, and ones without `volatile` or id maps."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from lamina.mount._options import split_parameters
from lamina.mount._overlay import join_layers, overlay_directories
from lamina.mount._record import Mount


def is_read_only(mount: Mount) -> bool:
    """Return whether a mount is read-only.

    An `erofs` always is; an `overlay` is with `ro` or without an upper directory; everything else with `ro`. Only
    the part of the type after the last `/` counts (`format/overlay`).
    """
    fs_type = mount.type.rpartition("/")[2]
    if fs_type == "erofs":
        return True
    if fs_type == "overlay":
        parameters = dict(split_parameters(mount.options))
        return "ro" in parameters or "upperdir" not in parameters
    return "ro" in mount.options


def read_only(mounts: Iterable[Mount]) -> list[Mount]:
    """Return read-only mounts of the same trees.

    An overlay's upper directory becomes its topmost lower one; its `workdir`, `uidmap` and `gidmap` are dropped.
    Any other mount gets `ro` instead of `rw`.
    """
    return [_read_only_overlay(mount) if mount.type == "overlay" else _with_ro(mount) for mount in mounts]


def lower_layers(mount: Mount) -> Mount:
    """Return a read-only mount of what an overlay shows below its upper directory.

    A single layer is shown by a bind mount, since an overlay has at least two.
    """
    lower = overlay_directories(mount.options).lower
    if len(lower) == 1:
        return Mount(type="bind", source=lower[0], options=("ro", "rbind"))
    return _without_keys(mount, "workdir", "uidmap", "gidmap", "upperdir")


def without_volatile(mounts: Iterable[Mount]) -> list[Mount]:
    """Return the mounts with `volatile` and `fsync=volatile` removed from overlays.

    After a volatile mount, overlay refuses the upper directory until `work/incompat/volatile` is removed by hand
    (Documentation/filesystems/overlayfs.rst).
    """
    return [
        _without(mount, "volatile", "fsync=volatile") if mount.type == "overlay" else mount for mount in mounts
    ]


def without_id_map(mounts: Iterable[Mount]) -> list[Mount]:
    """Return the mounts without `uidmap` and `gidmap`, so that owners are those on disk."""
    return [_without_keys(mount, "uidmap", "gidmap") for mount in mounts]


def _without_keys(mount: Mount, *keys: str) -> Mount:
    options = tuple(option for option in mount.options if option.partition("=")[0] not in keys)
    return attrs.evolve(mount, options=options)


def _without(mount: Mount, *options: str) -> Mount:
    return attrs.evolve(mount, options=tuple(option for option in mount.options if option not in options))


def _with_ro(mount: Mount) -> Mount:
    mount = _without(mount, "ro", "rw")
    return attrs.evolve(mount, options=(*mount.options, "ro"))


def _read_only_overlay(mount: Mount) -> Mount:
    values = dict(option.partition("=")[::2] for option in mount.options)
    options = list(_without_keys(mount, "workdir", "uidmap", "gidmap", "upperdir").options)
    if "upperdir" in values:
        lower = f"lowerdir={join_layers(values['upperdir'], values.get('lowerdir'))}"
        position = next((n for n, option in enumerate(options) if option.startswith("lowerdir=")), len(options))
        options[position : position + 1] = [lower]
    return attrs.evolve(mount, options=tuple(options))
