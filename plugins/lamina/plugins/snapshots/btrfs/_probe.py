"""Whether subvolumes can be made and mounted in a directory."""

from __future__ import annotations

import logging
import os

from lamina.errdefs import Error, SkipPlugin, from_os_error, is_transient
from lamina.fs import is_full_or_read_only
from lamina.mount import lookup, temporary_mount
from lamina.plugins.snapshots._trial import remove_left_trials, trial_directory
from lamina.plugins.snapshots.btrfs import _ioctl
from lamina.plugins.snapshots.btrfs._backend import subvolume_mount
from lamina.plugins.snapshots.btrfs._subvolume import open_directory, open_subvolume, subvolumes_inside

_log = logging.getLogger(__name__)


def probe(root: str) -> str:
    """The block device of a directory's file system, when a subvolume was made, mounted and deleted there.

    Where the disk is full or read-only, and there are subvolumes already, the one around them is mounted instead.

    Args:
        root: Where the subvolumes will be; it must exist.

    Raises:
        SkipPlugin: It is not on btrfs, or this process may not do that; the message says why.
        ResourceExhausted, ReadOnly: The disk is full or read-only, and there are no subvolumes.
        Error: The attempt failed for a reason of the moment.
    """
    mounted = lookup(root)
    if mounted.type != "btrfs":
        raise SkipPlugin(f"{root} is on {mounted.type}: set root_path to a directory on a btrfs file system")
    remove_left_trials(root)
    try:
        _attempt_as_possible(root, mounted.source)
    except (Error, OSError) as error:
        if is_full_or_read_only(error) or is_transient(error):
            if isinstance(error, OSError):
                raise from_os_error(error, "try btrfs") from error
            raise
        raise SkipPlugin(f"btrfs subvolumes cannot be made and mounted in {root}: {error}") from error
    return mounted.source


def _attempt_as_possible(root: str, device: str) -> None:
    try:
        attempt(root, device)
    except (Error, OSError) as error:
        if not is_full_or_read_only(error) or not os.path.isdir(os.path.join(root, "snapshots")):
            raise
        _log.warning("btrfs is tried without writing", extra={"root": root, "reason": str(error)})
        _attempt_without_writing(root, device)


def _attempt_without_writing(root: str, device: str) -> None:
    """As `attempt`, with the subvolume that a directory is in."""
    with open_directory(root) as directory:
        id_ = _ioctl.subvolume(directory).id
        subvolumes_inside(directory, id_)
    with temporary_mount([subvolume_mount(device, id_, read_only=True)]):
        pass


def attempt(root: str, device: str) -> None:
    """Make, mount and delete a subvolume.

    Args:
        root: Where.
        device: The block device of its file system.

    Raises:
        Error: That does not work. (OSError: likewise.)
    """
    with trial_directory(root) as trial, open_directory(trial) as directory:
        _ioctl.create_subvolume(directory, "trial")
        with open_subvolume(os.path.join(trial, "trial")) as made:
            id_ = _ioctl.subvolume(made).id
        subvolumes_inside(directory, id_)
        with temporary_mount([subvolume_mount(device, id_)], directory=trial):
            pass
        _ioctl.destroy_subvolume(directory, id_)
