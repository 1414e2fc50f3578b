"""What a subvolume takes up beyond the one that it is a snapshot of."""

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
"""What follows in it: uid, gid, mode."""
_ACCESS_TIME: Final = slice(112, 124)
"""Where the access time is in it."""
_TOUCHED: Final = slice(8, 16)
"""Where transid is in it: the transaction in which the inode was last written, be it for its access time only."""
_STATUS: Final = struct.Struct("<3Q")
"""The beginning of struct btrfs_qgroup_status_item: version, generation, flags."""
_STATUS_MASK: Final = 0b111  # BTRFS_QGROUP_STATUS_FLAG_ON, _RESCAN, _INCONSISTENT
_STATUS_ON: Final = 0b001
_INFO: Final = struct.Struct("<5Q")
"""struct btrfs_qgroup_info_item: generation, rfer, rfer_cmpr, excl, excl_cmpr."""
_LIMIT: Final = struct.Struct("<3Q")
"""The beginning of struct btrfs_qgroup_limit_item: flags, max_rfer, max_excl."""
_MAX_EXCLUSIVE: Final = 1 << 1  # BTRFS_QGROUP_LIMIT_MAX_EXCL


def changed(directory: int, subvolume: Subvolume, parent: Subvolume | None) -> tuple[int, int]:
    """What the inodes take up that were added or changed since a subvolume was made as a snapshot of its parent.

    Walks the subvolume's tree of inodes, where a snapshot's have the numbers that they have in the parent. Parts
    of the tree that were not written since are not read. What is not yet in a transaction is not seen.

    Args:
        directory: Any directory of the file system.
        subvolume: The one to measure.
        parent: Where there is none, all inodes count.

    Returns:
        Bytes allocated, and how many inodes.

    Raises:
        Canceled: The call is no longer wanted.
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


def exclusive(directory: int, id_: int) -> int | None:
    """How many bytes qgroups say a subvolume shares with no other, as of the last transaction.

    Args:
        directory: Any directory of the file system.
        id_: The subvolume.

    Returns:
        Bytes, those of metadata too; None where quotas are off, or their numbers are not complete.
    """
    try:
        status = _find(directory, _ioctl.QUOTA_TREE, _ioctl.QGROUP_STATUS, 0, 0)
    except FileNotFoundError:
        return None
    if status is None or _STATUS.unpack_from(status)[2] & _STATUS_MASK != _STATUS_ON:
        return None
    info = _find(directory, _ioctl.QUOTA_TREE, _ioctl.QGROUP_INFO, 0, id_)
    return None if info is None else _INFO.unpack_from(info)[3]


def limit(directory: int, id_: int) -> int | None:
    """How many bytes a subvolume may take up beyond what it shares; None where it is not limited.

    Args:
        directory: Any directory of the file system.
        id_: The subvolume.

    Raises:
        OSError: ENOENT where quotas are off.
    """
    item = _find(directory, _ioctl.QUOTA_TREE, _ioctl.QGROUP_LIMIT, 0, id_)
    flags, _, exclusive_bytes = (0, 0, 0) if item is None else _LIMIT.unpack_from(item)
    return exclusive_bytes if flags & _MAX_EXCLUSIVE else None


def _is_changed(directory: int, inode: Item, subvolume: Subvolume, parent: Subvolume) -> bool:
    born, touched, _, _ = _INODE.unpack_from(inode.data)
    if touched < subvolume.created:
        return False
    if born > subvolume.created:
        return True
    before = _find(directory, parent.id, _ioctl.INODE_ITEM, inode.object, 0)
    return before is None or _state(before) != _state(inode.data)


def _state(inode: memoryview) -> object:
    """Differs if an inode was changed. Reading a file does not count, nor do a directory's entries."""
    owner = _OWNER.unpack_from(inode)
    if stat.S_ISDIR(owner[-1]):
        return owner
    state = bytearray(inode)
    for ignored in (_TOUCHED, _ACCESS_TIME):
        state[ignored] = bytes(ignored.stop - ignored.start)
    return state


def _inodes(directory: int, tree: int, since: int) -> Iterator[Item]:
    inodes = (_ioctl.SUBVOLUME_ROOT, _ioctl.LAST_INODE)
    return _ioctl.search(directory, tree, _ioctl.INODE_ITEM, inodes, (0, 0), since=since)


def _find(directory: int, tree: int, type_: int, object_: int, offset: int) -> memoryview | None:
    """What is in a tree under a key."""
    items = _ioctl.search(directory, tree, type_, (object_, object_), (offset, offset))
    return next((item.data for item in items), None)
