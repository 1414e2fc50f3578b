"""Mounts without a mount point, which end with their last descriptor, and so with the process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from lamina.errdefs import MountFailed
from lamina.fs import opened
from lamina.mount._filesystem import open_filesystem
from lamina.mount._fuse import is_fuse
from lamina.mount._mounting import device, explain
from lamina.mount._options import MountFlag, parse_options
from lamina.mount._readonly import read_only as made_read_only
from lamina.mount._readonly import without_volatile
from lamina.mount._record import Mount
from lamina.mount._temporary import temporary_mount

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def opened_mount(mounts: Sequence[Mount], *, read_only: bool = False) -> Iterator[int]:
    """Mount for the duration of a `with` block, which receives the descriptor of the root directory.

    A single file system is mounted without a mount point: no path leads to it, and nothing of it stays if the
    process is killed. Bind mounts, id-mapped mounts, several mounts and what only mount(2) or a helper can mount
    get a temporary mount point (`temporary_mount`).

    Args:
        mounts: The mounts that a snapshotter returned.
        read_only: Mount them read-only (see the function `read_only`).

    Raises:
        MountFailed: The kernel refused a mount.
        FailedPrecondition: As `temporary_mount`.
    """
    mounts = without_volatile(made_read_only(mounts) if read_only else mounts)
    tree = _detached(mounts[0]) if len(mounts) == 1 else None
    if tree is None:
        with temporary_mount(mounts) as path, opened(path, _DIRECTORY) as root:
            yield root
        return
    try:
        with opened(".", _DIRECTORY, dir_fd=tree) as root:
            yield root
    finally:
        os.close(tree)


def _detached(mount: Mount) -> int | None:
    """Return the descriptor of a new mount, or None if it needs a mount point."""
    if mount.target or is_fuse(mount):
        return None
    options = parse_options(mount.options)
    if options.id_maps or options.flags & (MountFlag.BIND | MountFlag.REMOUNT):
        return None
    try:
        with device(mount, options) as source:
            return open_filesystem(mount, source, options)
    except OSError as error:
        raise MountFailed(explain(mount, "a descriptor", error)) from error
