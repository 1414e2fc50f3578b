"""The meta pages of an LMDB file.

The format is that of LMDB 0.9 on this machine (mdb.c: MDB_page, MDB_meta, MDB_db). Transactions write the first
two pages alternately; each describes two trees as of one transaction: the entries, and the free pages.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

HEADER: Final = struct.Struct("=QHHHH")
"""The header of a page: number, padding, flags, and the bounds of the free space between pointers and nodes."""
META: Final = 0x08
"""The flag of a meta page (P_META)."""
NONE: Final = (1 << 64) - 1
"""The root of an empty tree (P_INVALID)."""
DEEPEST: Final = 32
"""Maximum number of levels of a tree (CURSOR_STACK)."""
PAGE_SIZES: Final = tuple(1 << bits for bits in range(9, 17))
"""The possible sizes of a page in bytes."""

_META: Final = struct.Struct("=16xIIQQ")
"""Magic, version, address and size of the map."""
_TREE: Final = struct.Struct("=IHHQQQQQ")
_END: Final = struct.Struct("=QQ")
"""The last page in use, and the transaction."""
_MAGIC: Final = 0xBEEFC0DE
_VERSION: Final = 1
_TREE_AT: Final = _META.size
_END_AT: Final = _TREE_AT + 2 * _TREE.size
_SIZE: Final = _END_AT + _END.size

Read: TypeAlias = Callable[[int, int], bytes]
"""Reads the given number of bytes at an offset; fewer if the file ends or the disk fails."""


class Damage(NamedTuple):
    """A damaged place in a file."""

    page: int
    offset: int
    """The offset in the page, in bytes."""
    problem: str

    def __str__(self) -> str:
        """Describe the damage in one line."""
        return f"page {self.page}, offset {self.offset}: {self.problem}"


class Tree(NamedTuple):
    """The description of a tree in a meta page (MDB_db)."""

    padding: int
    flags: int
    depth: int
    branch_pages: int
    leaf_pages: int
    overflow_pages: int
    entries: int
    root: int


class Meta(NamedTuple):
    """The trees as of one transaction."""

    page: int
    page_size: int
    free: Tree
    main: Tree
    last_page: int
    transaction: int


def newest_meta(read: Read) -> tuple[Meta | None, list[Damage]]:
    """Read the meta pages.

    Returns:
        The sound meta page of the later transaction, or None if neither is sound; and the damages of both.
    """
    first = next((meta for size in PAGE_SIZES if (meta := _parse(read(0, size), 0, size))), None)
    sizes = (first.page_size,) if first else PAGE_SIZES
    second = next((meta for size in sizes if (meta := _parse(read(size, size), 1, size))), None)
    damages = [
        Damage(number, 0, "it is not a sound meta page: the last commit may be lost")
        for number, meta in ((0, first), (1, second))
        if meta is None
    ]
    whole = sorted((meta for meta in (first, second) if meta), key=lambda meta: meta.transaction)
    if len(whole) == 2 and whole[1].transaction - whole[0].transaction > 1:
        damages.append(Damage(whole[1].page, 0, "its transaction does not follow the other's: one may be wrong"))
    return (whole[-1] if whole else None), damages


def _parse(page: bytes, number: int, size: int) -> Meta | None:
    """Parse a meta page; return None if it is damaged or belongs to a file with another page size."""
    if len(page) < _SIZE:
        return None
    own, _, flags, _, _ = HEADER.unpack_from(page)
    magic, version, address, _ = _META.unpack_from(page)
    free, main = (Tree(*_TREE.unpack_from(page, _TREE_AT + at)) for at in (0, _TREE.size))
    last_page, transaction = _END.unpack_from(page, _END_AT)
    is_whole = (
        (own, flags, magic, version, address) == (number, META, _MAGIC, _VERSION, 0)
        and (free.padding, main.padding, main.flags) == (size, 0, 0)
        and (transaction % 2 == number or not transaction)  # in a new file, both have number 0
        and all((tree.root == NONE) == (tree.depth == 0) and tree.depth <= DEEPEST for tree in (free, main))
    )
    return Meta(number, size, free, main, last_page, transaction) if is_whole else None
