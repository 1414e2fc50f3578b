"""A check of page headers of an LMDB file, which takes one to two microseconds a page."""

from __future__ import annotations

from typing import Final

from lamina.store._meta import HEADER, NONE, Damage, Meta, Read, Tree
from lamina.store._pages import BRANCH, LEAF, NODE, pointers

MOST_SHOWN: Final = 100
"""The number of damages after which the check ends."""


def quick_check(read: Read, meta: Meta) -> list[Damage]:
    """Find missing, zeroed and misplaced pages.

    Args:
        read: Reads the file, to which no process may write meanwhile.
        meta: Its meta page (`newest_meta`).

    Returns:
        The damages: pages that are unreadable, misplaced or lack a sound header; and trees whose numbers of pages
        and entries differ from the meta page.
    """
    check = _QuickCheck(read, meta)
    for tree in (meta.free, meta.main):
        check.check(tree)
    return check.damages


class _QuickCheck:
    def __init__(self, read: Read, meta: Meta) -> None:
        self._read = read
        self._meta = meta
        self._used: set[int] = set()
        self.damages: list[Damage] = []

    def check(self, tree: Tree) -> None:
        """Check a tree, level by level."""
        numbers = [tree.root] if tree.root != NONE else []
        found = [0, 0, 0]
        for _ in range(1, tree.depth):
            found[0] += len(numbers)
            numbers = [
                child for number in numbers if self._entries(number, BRANCH) for child in self._children(number)
            ]
            if len(self.damages) > MOST_SHOWN:
                return
        found[1] = len(numbers)
        found[2] = sum(self._entries(number, LEAF) for number in numbers)
        said = [tree.branch_pages, tree.leaf_pages, tree.entries]
        if found != said:
            what = "branch pages, leaf pages and entries"
            self.damages.append(Damage(self._meta.page, 0, f"a tree should have {said} {what}, and has {found}"))

    def _entries(self, number: int, kind: int) -> int:
        """Return the number of entries of a page; 0 if its header is not sound."""
        size = self._meta.page_size
        header = self._read(number * size, 16)
        if len(header) == 16:
            own, padding, flags, lower, upper = HEADER.unpack(header)
            if (
                own == number
                and flags == kind
                and 16 < lower <= upper <= size
                and 1 < number <= self._meta.last_page
                and number not in self._used
                and not (padding or lower & 1)
            ):
                self._used.add(number)
                return int(lower - 16 >> 1)
        self.damages.append(Damage(number, 0, "it is missing, used twice, or misplaced"))
        return 0

    def _children(self, number: int) -> list[int]:
        size = self._meta.page_size
        page = self._read(number * size, size)
        if len(page) < size:
            return []
        _, places = pointers(page)
        nodes = (NODE.unpack_from(page, at) for at in places if at <= size - 8)
        return [first | second << 16 | third << 32 for first, second, third, _ in nodes]
