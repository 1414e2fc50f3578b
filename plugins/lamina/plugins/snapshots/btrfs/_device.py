"""The block device of a btrfs file system."""

from __future__ import annotations

from lamina.errdefs import SkipPlugin
from lamina.mount import lookup


def btrfs_device(root: str) -> str:
    """Return the block device of the file system of a directory.

    Raises:
        SkipPlugin: The directory is not on btrfs.
    """
    mounted = lookup(root)
    if mounted.type != "btrfs":
        raise SkipPlugin(f"{root} is on {mounted.type}: set root_path to a directory on a btrfs file system")
    return mounted.source
