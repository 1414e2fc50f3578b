"""Remedies for mounts that the kernel refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_REMEDIES: Final[Mapping[str, str]] = {
    r"maximum fs stacking depth": (
        "overlays can only be stacked once: set root_path to a directory on another file system, not an overlay "
        "(in a container: a volume)"
    ),
    r"not supported as upperdir|upper fs does not support xattr|failed to (create|verify|set) .*upper": (
        "the file system cannot hold an overlay's upper directory (NFS, FUSE, vfat and overlay itself cannot): "
        "set root_path to a directory on ext4, xfs or btrfs"
    ),
    r"filesystem on .* not supported": "set root_path to a directory on ext4, xfs or btrfs",
    r"(upper|work|lower)dir is in-use|Device or resource busy": (
        "another mount uses the same upper directory: grep -l UPPERDIR /proc/*/mountinfo finds it; unmount that "
        "one"
    ),
    r"incompat|volatile": (
        "the machine crashed while the snapshot was mounted with volatile. If its data may be incomplete, "
        "remove the snapshot; else rm -r WORKDIR/work/incompat"
    ),
    r"too many lower|layer \d+ of \d+|options? is too long": (
        "the kernel stacks up to 500 layers, older ones fewer: rebuild the image with fewer layers"
    ),
    r"unknown parameter|unrecognized mount option|bad value|invalid value": (
        "remove the option from mount_options; for the options available see "
        "https://docs.kernel.org/filesystems/overlayfs.html"
    ),
    r"failed to resolve|No such file or directory": (
        "the file is gone: restore the data root and the metastore from the same backup, or remove the snapshot "
        "and its descendants and pull the image again"
    ),
    r"no such file system|No such device|unknown filesystem": (
        "modprobe overlay (or the file system in the message)"
    ),
    r"No space left": "the file system is full: see its directory above",
    r"Read-only file system": "mount -o remount,rw on the file system in the message",
    r"EXT4-fs error|XFS .*(corrupt|shutdown|error)": (
        "stop the host, unmount the file system, and check it: fsck DEVICE (xfs: xfs_repair DEVICE); then check "
        "the disk: smartctl -a DEVICE"
    ),
    r"BTRFS.*(error|critical)": (
        "btrfs device stats MOUNTPOINT; btrfs scrub start -B MOUNTPOINT; then check the disk: smartctl -a DEVICE"
    ),
    r"I/O error": "the storage device fails: smartctl -a DEVICE, and make a backup at once",
    r"under the same mount|same filesystem": "upper and work directories must be on one file system",
    r"needs CAP_SYS_ADMIN|Operation not permitted|Permission denied": (
        "this process may not mount: see privileges"
    ),
}
"""Expressions that match kernel messages, and the remedies."""


def mount_remedy(message: str) -> str:
    """Return the remedy for a failed mount or for a kernel message about one.

    Args:
        message: The error's message, or a line of the kernel's log.
    """
    remedies = (remedy for said, remedy in _REMEDIES.items() if re.search(said, message, re.IGNORECASE))
    return next(remedies, "dmesg -T | tail -n 20 shows all kernel messages about it")
