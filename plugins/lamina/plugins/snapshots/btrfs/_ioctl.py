"""The ioctls of btrfs, with numbers and layouts from linux/btrfs.h and linux/btrfs_tree.h.

Each function takes a descriptor of a directory on the file system and raises OSError. Most require CAP_SYS_ADMIN.
Arguments of ioctls are in native byte order; tree items are little-endian.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import attrs

ROOT_TREE: Final = 1
"""BTRFS_ROOT_TREE_OBJECTID: the subvolumes and their locations."""
QUOTA_TREE: Final = 8
"""BTRFS_QUOTA_TREE_OBJECTID: the qgroups. The tree does not exist while quotas are off."""
SUBVOLUME_ROOT: Final = 256
"""BTRFS_FIRST_FREE_OBJECTID: the inode number of every subvolume's root directory."""
LAST_INODE: Final = 2**64 - 256
"""BTRFS_LAST_FREE_OBJECTID: the largest inode number of a file."""
MAX_KEY: Final = 2**64 - 1
"""The largest object id, and the largest offset."""

INODE_ITEM: Final = 1
"""BTRFS_INODE_ITEM_KEY: (inode number, INODE_ITEM, 0)."""
ROOT_REF: Final = 156
"""BTRFS_ROOT_REF_KEY: (subvolume, ROOT_REF, subvolume inside it)."""
QGROUP_STATUS: Final = 240
"""BTRFS_QGROUP_STATUS_KEY: (0, QGROUP_STATUS, 0)."""
QGROUP_INFO: Final = 242
"""BTRFS_QGROUP_INFO_KEY: (0, QGROUP_INFO, qgroup)."""
QGROUP_LIMIT: Final = 244
"""BTRFS_QGROUP_LIMIT_KEY: (0, QGROUP_LIMIT, qgroup)."""

# asm-generic/ioctl.h: two bits of direction, 14 of size, 8 of type, 8 of number.
_WRITE, _READ = 1 << 30, 2 << 30


def _request(direction: int, number: int, size: int) -> int:
    magic = 0x94  # BTRFS_IOCTL_MAGIC
    return direction | size << 16 | magic << 8 | number


_VOL_ARGS_V2: Final = struct.Struct("=qQQ32x4040s")
"""struct btrfs_ioctl_vol_args_v2: fd, transid, flags, unused, name."""
_VOL_ARGS_V2_ID: Final = struct.Struct("=qQQ32xQ4032x")
"""The same struct with a subvolume's id in place of the name."""
_SUBVOL_INFO: Final = struct.Struct("=Q256x4Q48x4Q128x")
"""struct btrfs_ioctl_get_subvol_info_args: treeid, name, parent_id, dirid, generation, flags, three UUIDs,
ctransid, otransid, stransid, rtransid, four times and reserved fields."""
_QGROUP_LIMIT: Final = struct.Struct("=6Q")
"""struct btrfs_ioctl_qgroup_limit_args: qgroupid, flags, max_rfer, max_excl, rsv_rfer, rsv_excl."""
_SEARCH: Final = struct.Struct("=7Q3I36xQ")
"""struct btrfs_ioctl_search_args_v2: tree_id, min and max of objectid, offset and transid, min_type, max_type,
nr_items, unused, buf_size."""
_SEARCH_HEADER: Final = struct.Struct("=3Q2I")
"""struct btrfs_ioctl_search_header: transid, objectid, offset, type, len."""
_COUNT: Final = struct.Struct("=64xI")
"""The beginning of that struct, up to nr_items."""
_FLAGS: Final = struct.Struct("=Q")
_INO_LOOKUP: Final = struct.Struct("=QQ4080s")
"""struct btrfs_ioctl_ino_lookup_args: treeid, objectid, name."""
_ROOT_REF: Final = struct.Struct("<QQH")
"""struct btrfs_root_ref: dirid, sequence, name_len; the name follows."""

_SYNC: Final = _request(0, 8, 0)
_TREE_SEARCH_V2: Final = _request(_READ | _WRITE, 17, _SEARCH.size)
_INO_LOOKUP_REQUEST: Final = _request(_READ | _WRITE, 18, _INO_LOOKUP.size)
_SNAP_CREATE_V2: Final = _request(_WRITE, 23, _VOL_ARGS_V2.size)
_SUBVOL_CREATE_V2: Final = _request(_WRITE, 24, _VOL_ARGS_V2.size)
_SUBVOL_GETFLAGS: Final = _request(_READ, 25, _FLAGS.size)
_SUBVOL_SETFLAGS: Final = _request(_WRITE, 26, _FLAGS.size)
_SET_QGROUP_LIMIT: Final = _request(_READ, 43, _QGROUP_LIMIT.size)  # declared with _IOR, although it writes
_GET_SUBVOL_INFO: Final = _request(_READ, 60, _SUBVOL_INFO.size)
_SNAP_DESTROY_V2: Final = _request(_WRITE, 63, _VOL_ARGS_V2.size)

_READ_ONLY: Final = 1 << 1  # BTRFS_SUBVOL_RDONLY
_BY_ID: Final = 1 << 4  # BTRFS_SUBVOL_SPEC_BY_ID
_MAX_EXCLUSIVE: Final = 1 << 1  # BTRFS_QGROUP_LIMIT_MAX_EXCL

_BUFFER: Final = 1 << 16
"""Bytes that one search returns. An item fits into one node of the tree, which is no larger."""

UNLIMITED: Final = 2**64 - 1
"""The limit that `btrfs_limit_qgroup` (fs/btrfs/qgroup.c) treats as "no limit"."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)


@attrs.frozen(eq=False, repr=False)
class Subvolume:
    """A subvolume."""

    id: int
    """The id of its tree and of its qgroup."""
    created: int
    """The transaction that created it."""


class RootRef(NamedTuple):
    """A subvolume inside another one."""

    id: int
    directory: int
    """The inode number of its parent directory in the outer subvolume."""
    name: str


class Item(NamedTuple):
    """An item of a tree, with the key (`object`, type, `offset`)."""

    object: int
    offset: int
    data: memoryview


def create_subvolume(directory: int, name: str) -> None:
    """Create an empty subvolume in a directory. The umask applies."""
    _ioctl(directory, _SUBVOL_CREATE_V2, _VOL_ARGS_V2.pack(0, 0, 0, os.fsencode(name)))


def create_snapshot(source: int, directory: int, name: str, *, read_only: bool) -> None:
    """Create a snapshot of the subvolume with the root directory `source`.

    The snapshot includes cached writes, but not the content of nested subvolumes.
    """
    flags = _READ_ONLY if read_only else 0
    _ioctl(directory, _SNAP_CREATE_V2, _VOL_ARGS_V2.pack(source, 0, flags, os.fsencode(name)))


def destroy_subvolume(directory: int, id_: int) -> None:
    """Delete a subvolume by its id. It must not contain others. Requires Linux 5.7."""
    _ioctl(directory, _SNAP_DESTROY_V2, _VOL_ARGS_V2_ID.pack(0, 0, _BY_ID, id_))


def set_read_only(root: int, *, read_only: bool) -> None:
    """Set or clear the read-only flag of the subvolume with that root directory. Open files are unaffected."""
    (flags,) = _FLAGS.unpack(_ioctl(root, _SUBVOL_GETFLAGS, bytes(_FLAGS.size)))
    flags = flags | _READ_ONLY if read_only else flags & ~_READ_ONLY
    _ioctl(root, _SUBVOL_SETFLAGS, _FLAGS.pack(flags))


def subvolume(directory: int) -> Subvolume:
    """Return the subvolume that contains a directory."""
    id_, *_, created, _sent, _received = _SUBVOL_INFO.unpack(
        _ioctl(directory, _GET_SUBVOL_INFO, bytes(_SUBVOL_INFO.size))
    )
    return Subvolume(id_, created)


def directory_path(directory: int, tree: int, inode: int) -> str:
    """Return the path of a directory below the root of its subvolume, with a trailing slash; "" for the root.

    Raises:
        OSError: ENAMETOOLONG if the path has more than 4,080 bytes.
    """
    *_, path = _INO_LOOKUP.unpack(_ioctl(directory, _INO_LOOKUP_REQUEST, _INO_LOOKUP.pack(tree, inode, b"")))
    return os.fsdecode(path.partition(b"\0")[0])


def root_refs(directory: int, id_: int) -> Iterator[RootRef]:
    """Yield the subvolumes directly inside a subvolume."""
    for item in search(directory, ROOT_TREE, ROOT_REF, (id_, id_), (0, MAX_KEY)):
        inode, _, length = _ROOT_REF.unpack_from(item.data)
        name = bytes(item.data[_ROOT_REF.size : _ROOT_REF.size + length])
        yield RootRef(item.offset, inode, os.fsdecode(name))


def sync(directory: int) -> None:
    """Write cached data to disk and commit the transaction (BTRFS_IOC_SYNC)."""
    _ioctl(directory, _SYNC, b"")


def limit_exclusive(directory: int, id_: int, size: int) -> None:
    """Limit the exclusive size of a subvolume in bytes; `UNLIMITED` removes the limit.

    A btrfs snapshot inherits the limit of its source.

    Raises:
        OSError: ENOTCONN if quotas are off.
    """
    _ioctl(directory, _SET_QGROUP_LIMIT, _QGROUP_LIMIT.pack(id_, _MAX_EXCLUSIVE, 0, size, 0, 0))


def search(
    directory: int, tree: int, type_: int, objects: tuple[int, int], offsets: tuple[int, int], *, since: int = 0
) -> Iterator[Item]:
    """Yield the items of one type in a tree in key order. Items of uncommitted transactions may be missing.

    Args:
        directory: A descriptor of any directory of the file system.
        tree: The id of a subvolume, or one of the constants above.
        type_: One of the constants above.
        objects: The smallest and the largest object id.
        offsets: The smallest offset of the smallest object, and the largest of the largest.
        since: Parts of the tree that were last written before this transaction may be skipped.

    Raises:
        OSError: ENOENT if the tree does not exist.
    """
    # The kernel returns all items between two keys, of every type.
    first, last = (objects[0], type_, offsets[0]), (objects[1], type_, offsets[1])
    while first <= last:
        limits = (first[0], last[0], first[2], last[2], since, MAX_KEY)
        head = _SEARCH.pack(tree, *limits, first[1], last[1], 2**32 - 1, _BUFFER)
        found = memoryview(_ioctl(directory, _TREE_SEARCH_V2, head + bytes(_BUFFER)))
        (count,) = _COUNT.unpack_from(found)
        if not count:
            return
        at = _SEARCH.size
        for _ in range(count):
            _, object_, offset, item_type, length = _SEARCH_HEADER.unpack_from(found, at)
            at += _SEARCH_HEADER.size
            if item_type == type_:
                yield Item(object_, offset, found[at : at + length])
            at += length
        first = _successor(object_, item_type, offset)


def _successor(object_: int, type_: int, offset: int) -> tuple[int, int, int]:
    """Return the key that follows a key."""
    if offset < MAX_KEY:
        return object_, type_, offset + 1
    return (object_, type_ + 1, 0) if type_ < 255 else (object_ + 1, 0, 0)


def _ioctl(fd: int, request: int, argument: bytes) -> bytearray:
    """Call ioctl(2) and return the argument as modified by the kernel.

    `fcntl.ioctl` holds the interpreter lock during calls with more than 1,024 bytes of argument, and creating a
    snapshot waits for the disk.
    """
    buffer = bytearray(argument)
    address = (ctypes.c_char * len(buffer)).from_buffer(buffer) if buffer else None
    if _libc.ioctl(fd, request, address) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return buffer
