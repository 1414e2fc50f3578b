"""Measure what a subvolume occupies beyond the one that it is a snapshot of."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from typing import Final

from lamina.context import current
from lamina.plugins.snapshots.btrfs import _ioctl
from lamina.plugins.snapshots.btrfs._ioctl import Item, Subvolume

_INODE: Final = struct.Struct("<2Q8xQ8xI")
"""The beginning of struct btrfs_inode_item (linux/btrfs_tree.h): generation, transid, size, nbytes, block_group,
nlink."""
_OWNER: Final = struct.Struct("<44x3I")
"""The fields that follow: uid, gid, mode."""
_ACCESS_TIME: Final = slice(112, 124)
"""The position of atime in it."""
_TRANSID: Final = slice(8, 16)
"""The position of transid in it: the transaction that last wrote the inode, even if only its access time."""
_STATUS: Final = struct.Struct("<3Q")
"""The beginning of struct btrfs_qgroup_status_item: version, generation, flags."""
_STATUS_MASK: Final = 0b111  # BTRFS_QGROUP_STATUS_FLAG_ON, _RESCAN, _INCONSISTENT
_STATUS_ON: Final = 0b001
_INFO: Final = struct.Struct("<5Q")
"""struct btrfs_qgroup_info_item: generation, rfer, rfer_cmpr, excl, excl_cmpr."""
_LIMIT: Final = struct.Struct("<3Q")
"""The beginning of struct btrfs_qgroup_limit_item: flags, max_rfer, max_excl."""
_MAX_EXCLUSIVE: Final = 1 << 1  # BTRFS_QGROUP_LIMIT_MAX_EXCL


def changed_usage(directory: int, subvolume: Subvolume, parent: Subvolume | None) -> tuple[int, int]:
    """Measure the inodes that were added or changed since a subvolume was created as a snapshot of its parent.

    Searches the inode items of the subvolume, which have the same inode numbers in the parent. Parts of the tree
    that were not written since are not read. Changes that are not committed to a transaction are missed.

    Args:
        directory: A descriptor of any directory of the file system.
        subvolume: The subvolume to measure.
        parent: The parent; if None, all inodes count.

    Returns:
        Allocated bytes, and the number of inodes.

    Raises:
        Canceled: The call was cancelled.
    """
    block = os.fstatvfs(directory).f_bsize
    check = current().check
    size = count = 0
    for inode in _inodes(directory, subvolume.id, since=subvolume.created if parent else 0):
        check()
        _, _, allocated, links = _INODE.unpack_from(inode.data)
        if links and (parent is None or _is_changed(directory, inode, subvolume, parent)):
            size += -(-allocated // block) * block
            count += 1
    return size, count


def exclusive_size(directory: int, id_: int) -> int | None:
    """Return the exclusive size of a subvolume's qgroup as of the last transaction.

    Args:
        directory: A descriptor of any directory of the file system.
        id_: The id of the subvolume.

    Returns:
        Bytes, including metadata; None if quotas are off or their numbers are incomplete.
    """
    try:
        status = _find(directory, _ioctl.QUOTA_TREE, _ioctl.QGROUP_STATUS, 0, 0)
    except FileNotFoundError:
        return None
    if status is None or _STATUS.unpack_from(status)[2] & _STATUS_MASK != _STATUS_ON:
        return None
    info = _find(directory, _ioctl.QUOTA_TREE, _ioctl.QGROUP_INFO, 0, id_)
    return None if info is None else _INFO.unpack_from(info)[3]


def exclusive_limit(directory: int, id_: int) -> int | None:
    """Return the limit of a subvolume's exclusive size in bytes; None if it has none.

    Args:
        directory: A descriptor of any directory of the file system.
        id_: The id of the subvolume.

    Raises:
        OSError: ENOENT if quotas are off.
    """
    item = _find(directory, _ioctl.QUOTA_TREE, _ioctl.QGROUP_LIMIT, 0, id_)
    flags, _, exclusive_bytes = (0, 0, 0) if item is None else _LIMIT.unpack_from(item)
    return exclusive_bytes if flags & _MAX_EXCLUSIVE else None


def _is_changed(directory: int, inode: Item, subvolume: Subvolume, parent: Subvolume) -> bool:
    generation, transid, _, _ = _INODE.unpack_from(inode.data)
    if transid < subvolume.created:
        return False
    if generation > subvolume.created:
        return True
    before = _find(directory, parent.id, _ioctl.INODE_ITEM, inode.object, 0)
    return before is None or _state(before) != _state(inode.data)


def _state(inode: memoryview) -> object:
    """Return the fields that a change alters, without the access time and the entries of a directory."""
    owner = _OWNER.unpack_from(inode)
    if stat.S_ISDIR(owner[-1]):
        return owner
    state = bytearray(inode)
    for ignored in (_TRANSID, _ACCESS_TIME):
        state[ignored] = bytes(ignored.stop - ignored.start)
    return state


def _inodes(directory: int, tree: int, since: int) -> Iterator[Item]:
    inodes = (_ioctl.SUBVOLUME_ROOT, _ioctl.LAST_INODE)
    return _ioctl.search(directory, tree, _ioctl.INODE_ITEM, inodes, (0, 0), since=since)


def _find(directory: int, tree: int, type_: int, object_: int, offset: int) -> memoryview | None:
    """Return the item with a key in a tree, if any."""
    items = _ioctl.search(directory, tree, type_, (object_, object_), (offset, offset))
    return next((item.data for item in items), None)
