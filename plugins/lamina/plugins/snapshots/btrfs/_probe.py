"""Find out whether subvolumes can be created and mounted in a directory."""

from __future__ import annotations

import logging
import os
from typing import Final

from lamina.errdefs import Error, SkipPlugin, is_transient, translated
from lamina.fs import is_full_or_read_only
from lamina.mount import temporary_mount
from lamina.plugins.snapshots._probe_directory import probe_directory, remove_stale_probes
from lamina.plugins.snapshots.btrfs import _ioctl
from lamina.plugins.snapshots.btrfs._backend import subvolume_mount
from lamina.plugins.snapshots.btrfs._device import btrfs_device
from lamina.plugins.snapshots.btrfs._subvolume import children, open_directory, open_subvolume

_log = logging.getLogger(__name__)

_OPERATION: Final = "try btrfs"


def probe(root: str) -> str:
    """Create, mount and delete a subvolume in a directory, and return the block device of the file system.

    On a full or read-only disk with existing snapshots, the subvolume that contains the directory is mounted
    instead.

    Raises:
        SkipPlugin: The directory is not on btrfs, or subvolumes do not work there. The message says why.
        ResourceExhausted, ReadOnly: The disk is full or read-only, and there are no snapshots.
        Error: The probe failed for a transient reason.
    """
    device = btrfs_device(root)
    remove_stale_probes(root)
    try:
        _try(root, device)
    except Error as error:
        if is_full_or_read_only(error) or is_transient(error):
            raise
        raise SkipPlugin(f"btrfs subvolumes cannot be created and mounted in {root}: {error}") from error
    return device


def _try(root: str, device: str) -> None:
    try:
        try_btrfs(root, device)
    except Error as error:
        if not is_full_or_read_only(error) or not os.path.isdir(os.path.join(root, "snapshots")):
            raise
        _log.warning("trying btrfs without writing", extra={"root": root, "reason": str(error)})
        _try_read_only(root, device)


def _try_read_only(root: str, device: str) -> None:
    """Mount the subvolume that contains the directory."""
    with translated(_OPERATION), open_directory(root) as directory:
        id_ = _ioctl.subvolume(directory).id
        children(directory, id_)
    with temporary_mount([subvolume_mount(device, id_, read_only=True)]):
        pass


def try_btrfs(root: str, device: str) -> None:
    """Create, mount and delete a subvolume.

    Raises:
        Error: An operation failed.
    """
    with translated(_OPERATION), probe_directory(root) as path, open_directory(path) as directory:
        _ioctl.create_subvolume(directory, "probe")
        with open_subvolume(os.path.join(path, "probe")) as created:
            id_ = _ioctl.subvolume(created).id
        children(directory, id_)
        with temporary_mount([subvolume_mount(device, id_)], directory=path):
            pass
        _ioctl.destroy_subvolume(directory, id_)
