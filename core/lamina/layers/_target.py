"""The directory to which a layer is applied, from the mounts of a snapshot."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from lamina.errdefs import FailedPrecondition, translated
from lamina.fs import open_path
from lamina.layers.applying import Whiteouts
from lamina.mount import (
    Mount,
    MountFlag,
    Options,
    in_user_namespace,
    is_read_only,
    lower_layers,
    opened_mount,
    overlay_directories,
    parse_options,
)

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.frozen
class Target:
    """The place to apply a layer to. The descriptors are closed by `opened_target`."""

    root: int
    """The descriptor of the root directory."""
    whiteouts: Whiteouts
    parent: int | None
    """The descriptor of the root of what lies below, if the target shows its own files only and that is known."""


@contextlib.contextmanager
def opened_target(mounts: Sequence[Mount], *, rebased: bool) -> Iterator[Target]:
    """Open the tree of an active snapshot for a layer.

    A single overlay is not mounted: its upper directory takes the layer, which costs half of what writing through
    the overlay does. Nor is a single bind mount, which shows a directory as it is.

    Args:
        mounts: The mounts of the snapshot.
        rebased: As for `Applier.apply`.

    Raises:
        FailedPrecondition: The mounts are read-only, or the kernel refused them.
        PermissionDenied: Another user could replace a directory.
        NotFound: A directory is missing.
    """
    if not mounts or is_read_only(mounts[-1]):
        raise FailedPrecondition(f"apply a layer to {list(mounts)}: the mounts of an active snapshot are writable")
    first = mounts[0] if len(mounts) == 1 and not mounts[0].target else None
    with contextlib.ExitStack() as stack:
        if first is not None and _has_bare_upper(first):
            parent = None if rebased else stack.enter_context(opened_view([lower_layers(first)]))
            root = stack.enter_context(opened_directory(overlay_directories(first.options).upper))
            yield Target(root, Whiteouts.OVERLAY, parent)
            return
        is_bind = first is not None and _is_plain_bind(parse_options(first.options))
        context = opened_directory(mounts[0].source) if is_bind else opened_mount(mounts)
        root = stack.enter_context(context)
        yield Target(root, Whiteouts.OVERLAY if rebased else Whiteouts.DELETE, None)


@contextlib.contextmanager
def opened_view(mounts: Sequence[Mount]) -> Iterator[int]:
    """Open the root directory of a view for reading. A single directory is not mounted.

    Raises:
        Error: As `opened_target`.
    """
    is_bind = len(mounts) == 1 and not mounts[0].target and _is_plain_bind(parse_options(mounts[0].options))
    context = opened_directory(mounts[0].source) if is_bind else opened_mount(mounts, read_only=True)
    with context as fd:
        yield fd


def _has_bare_upper(mount: Mount) -> bool:
    """Return whether a mount is an overlay whose upper directory can be written to directly.

    With `userxattr`, and without the capabilities of the initial user namespace, only the kernel can write there
    what marks deletions.
    """
    if mount.type != "overlay" or not overlay_directories(mount.options).upper:
        return False
    options = parse_options(mount.options)
    userxattr = any("userxattr" in option.split(",") for option in options.data)
    return options.id_maps is None and not userxattr and not in_user_namespace()


def _is_plain_bind(options: Options) -> bool:
    return bool(options.flags & MountFlag.BIND) and options.id_maps is None


@contextlib.contextmanager
def opened_directory(path: str) -> Iterator[int]:
    """Open a directory that no other user can replace. It may itself be writable for others: images say so."""
    directory, name = os.path.split(os.path.normpath(path))
    with translated(f"open {path}"):
        above = open_path(directory)
        try:
            fd = os.open(name, _DIRECTORY, dir_fd=above)
        finally:
            os.close(above)
    try:
        yield fd
    finally:
        os.close(fd)
