"""Files of a btrfs that share all their data, as those of a snapshot and its parent do."""

from __future__ import annotations

import errno
import fcntl
import struct
from typing import Final

_FS_INFO: Final = 0x8400941F
"""linux/btrfs.h, BTRFS_IOC_FS_INFO."""
_FS_INFO_SIZE: Final = 1024
_FSID: Final = slice(16, 32)
"""`fsid` of `struct btrfs_ioctl_fs_info_args`."""
_FIEMAP: Final = 0xC020660B
"""linux/fs.h, FS_IOC_FIEMAP."""
_SYNC: Final = 0x1
"""linux/fiemap.h, FIEMAP_FLAG_SYNC: write what is only in memory first, so that it has a place."""
_LAST: Final = 0x1
_UNWRITTEN: Final = 0x800
_HARMLESS: Final = _LAST | _UNWRITTEN | 0x1000 | 0x2000
"""linux/fiemap.h: the last extent, one of zeros, merged ones, shared ones. With any other flag the place of the
data does not identify it: the data has no place yet, or is compressed, encrypted or part of a larger block."""
_MOST: Final = 256
"""Maximum number of extents of a file that are compared; a file with more is read."""
_MAP: Final = struct.Struct("=QQIIII")
_EXTENT: Final = struct.Struct("=QQQ16xI12x")
_NONE: Final = frozenset({errno.ENOTTY, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
"""Errors that mean that a file system does not have the call."""


def are_on_one_btrfs(one: int, other: int) -> bool:
    """Return whether two files are on the same btrfs. Each of its subvolumes has a device number of its own."""
    id_ = _btrfs_id(one)
    return id_ is not None and id_ == _btrfs_id(other)


def _btrfs_id(fd: int) -> bytes | None:
    buffer = bytearray(_FS_INFO_SIZE)
    try:
        fcntl.ioctl(fd, _FS_INFO, buffer)
    except OSError as error:
        if error.errno not in _NONE:
            raise
        return None
    return bytes(buffer[_FSID])


def share_data(one: int, other: int) -> bool:
    """Return whether two files of the same size on one btrfs consist of the same extents.

    If not, their content may be the same nevertheless.

    Raises:
        OSError: The disk failed.
    """
    extents = _extents(one)
    return extents is not None and extents == _extents(other)


def _extents(fd: int) -> list[tuple[int, int, int, int]] | None:
    """Return offset, place, length and flags of a file's extents; None if they do not identify the data.

    Places are addresses in the whole btrfs, whatever number of devices it has.
    """
    buffer = bytearray(_MAP.size + _MOST * _EXTENT.size)
    _MAP.pack_into(buffer, 0, 0, (1 << 64) - 1, _SYNC, 0, _MOST, 0)
    fcntl.ioctl(fd, _FIEMAP, buffer)
    count = _MAP.unpack_from(buffer)[3]
    extents = list(_EXTENT.iter_unpack(buffer[_MAP.size : _MAP.size + count * _EXTENT.size]))
    if any(flags & ~_HARMLESS for *_, flags in extents) or (extents and not extents[-1][3] & _LAST):
        return None
    return [(offset, place, length, flags & _UNWRITTEN) for offset, place, length, flags in extents]
