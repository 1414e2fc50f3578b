"""Mounts changed into others: read-only ones, ones without `volatile` or without id maps."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from lamina.mount._options import split_parameters
from lamina.mount._overlay import join_layers
from lamina.mount._record import Mount


def is_read_only(mount: Mount) -> bool:
    """Whether nothing can be written through a mount.

    An `erofs` is always read-only; an `overlay` is with `ro` or without an upper directory; everything else
    with `ro`. The type counts without what precedes its last `/` (`format/overlay`).
    """
    fs_type = mount.type.rpartition("/")[2]
    if fs_type == "erofs":
        return True
    if fs_type == "overlay":
        parameters = dict(split_parameters(mount.options))
        return "ro" in parameters or "upperdir" not in parameters
    return "ro" in mount.options


def read_only(mounts: Iterable[Mount]) -> list[Mount]:
    """The same trees without a way to write to them, as new mounts.

    An overlay's upper directory becomes its topmost lower one; its `workdir`, `uidmap` and `gidmap` go. Any
    other mount gets `ro` in place of `rw`.
    """
    return [_read_only_overlay(mount) if mount.type == "overlay" else _with_ro(mount) for mount in mounts]


def without_volatile(mounts: Iterable[Mount]) -> list[Mount]:
    """The same mounts, overlays among them without `volatile` and `fsync=volatile`.

    After a volatile mount, overlay refuses the upper directory until somebody removes
    `work/incompat/volatile` by hand (Documentation/filesystems/overlayfs.rst).
    """
    return [
        _without(mount, "volatile", "fsync=volatile") if mount.type == "overlay" else mount for mount in mounts
    ]


def without_id_map(mounts: Iterable[Mount]) -> list[Mount]:
    """The same mounts without `uidmap` and `gidmap`: owners as they are on disk."""
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
