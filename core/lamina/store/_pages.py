"""Reading a possibly damaged LMDB file page by page.

LMDB trusts its file, so that damage may end the process with a signal. This module never reads out of bounds, and
no page twice; it lists damages and reads the rest. The format is that of LMDB 0.9 on this machine (mdb.c:
MDB_page, MDB_node).
"""

from __future__ import annotations

import operator
import struct
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from lamina.store._meta import DEEPEST, HEADER, NONE, Damage, Meta, Read, Tree

BRANCH: Final = 0x01
LEAF: Final = 0x02
OVERFLOW: Final = 0x04
BIG: Final = 0x01
"""The flag of a node whose value is on overflow pages (F_BIGDATA)."""
_COUNT: Final = struct.Struct("=12xI")
"""The number of overflow pages, in the header of the first."""
NODE: Final = struct.Struct("=HHHH")
"""Both halves of the value's size, flags, size of the key. In a branch the first three are the child's page."""
_NUMBER: Final = struct.Struct("=Q")


class Child(NamedTuple):
    """A page below another, with the least key that it may hold, and the least that it may not."""

    number: int
    level: int
    """The root has level 1."""
    low: bytes | None = None
    high: bytes | None = None


class Pages:
    """The pages of a file to which no process writes."""

    def __init__(self, read: Read, meta: Meta) -> None:
        """Read nothing yet.

        Args:
            read: Reads the file.
            meta: Its meta page (`newest_meta`).
        """
        self._read = read
        self.meta = meta
        self.damages: list[Damage] = []
        """The damages found so far."""
        self.used: set[int] = set()
        """The pages of the trees walked so far."""
        self.misses_entries = False
        """True if unreadable pages may have hidden entries."""

    def entries(self, tree: Tree) -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys and values of a tree in order; of a damaged page, those within its bounds.

        Args:
            tree: `meta.main` or `meta.free`.
        """
        walk = _Walk(self, tree)
        for child, page in walk.leaves():
            keys, values = self._nodes(child.number, page)
            walk.check_order(child, keys)
            yield from zip(keys, values, strict=True)
        walk.check_counts()

    def free(self) -> set[int]:
        """Return the pages that the file lists as free."""
        free: set[int] = set()
        for _, value in self.entries(self.meta.free):
            self._add_free(value, free)
        return free

    def orphans(self, free: set[int]) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries of leaves neither free nor in use, to which a damaged page had led.

        Args:
            free: The free pages. They must be correct: free leaves hold deleted entries.
        """
        for number in range(2, self.meta.last_page + 1):
            if number in self.used or number in free:
                continue
            page = self.page(number)
            if len(page) == self.meta.page_size and HEADER.unpack_from(page)[:3] == (number, 0, LEAF):
                yield from zip(*self._nodes(number, page), strict=True)

    def page(self, number: int) -> bytes:
        """Return the bytes of a page; fewer if the file ends."""
        return self._read(number * self.meta.page_size, self.meta.page_size)

    def header(self, number: int) -> bytes:
        """Return the bytes of the header of a page."""
        return self._read(number * self.meta.page_size, HEADER.size)

    def report(self, page: int, offset: int, problem: str, *, loses: bool = False) -> None:
        """Add a damage.

        Args:
            page: The page.
            offset: The offset in the page.
            problem: A description.
            loses: Whether it hides entries.
        """
        self.damages.append(Damage(page, offset, problem))
        self.misses_entries |= loses

    def _nodes(self, number: int, page: bytes) -> tuple[list[bytes], list[bytes]]:
        """Return the keys and values of a leaf within its bounds."""
        keys, values = [], []
        size = len(page)
        upper, places = pointers(page)
        taken = 0
        for at in places:
            if not upper <= at <= size - NODE.size:
                self.report(number, at, "a pointer leads out of the nodes", loses=True)
                continue
            low, high, flags, key_size = NODE.unpack_from(page, at)
            start = at + 8 + key_size
            end = start + 8 if flags else start + (low | high << 16)
            if end > size or flags & ~BIG:
                self.report(number, at, "a node does not fit into its page, or is of no known kind", loses=True)
                continue
            taken += end - at + 1 & ~1
            value = self.big(number, page, at, low | high << 16) if flags else page[start:end]
            if value is not None:
                keys.append(page[at + 8 : start])
                values.append(value)
        if taken != size - upper:
            self.report(number, 0, f"its nodes have {taken} bytes, and {size - upper} are taken")
        return keys, values

    def big(self, number: int, page: bytes, at: int, size: int) -> bytes | None:
        """Return a value stored on overflow pages, or None if these are damaged."""
        (first,) = _NUMBER.unpack_from(page, at + 8 + NODE.unpack_from(page, at)[3])
        wanted = range(first, first - (-(HEADER.size + size) // self.meta.page_size))
        if not 2 <= first <= wanted[-1] <= self.meta.last_page:
            self.report(number, at, f"its value is on pages from {first} on, which are out of bounds", loses=True)
            return None
        header = self.header(first)
        if len(header) < HEADER.size or HEADER.unpack(header)[:3] != (first, 0, OVERFLOW):
            self.report(first, 0, "it is not an overflow page", loses=True)
            return None
        (count,) = _COUNT.unpack(header)
        if count != len(wanted) or not self.used.isdisjoint(wanted):
            self.report(
                first, 12, f"it has {count} pages where its value takes {len(wanted)}, or shares them", loses=True
            )
            return None
        self.used.update(wanted)
        value = self._read(first * self.meta.page_size + HEADER.size, size)
        if len(value) < size:
            self.report(first, 0, "its value cannot be read: the file is truncated, or the disk fails", loses=True)
            return None
        return value

    def _add_free(self, value: bytes, free: set[int]) -> None:
        """Add a list of pages: their count and their numbers, the greatest first (MDB_IDL in midl.h)."""
        numbers = struct.unpack_from(f"={len(value) // 8}Q", value)
        listed = numbers[1 : numbers[0] + 1] if numbers else ()
        if not numbers or len(listed) != numbers[0] or not all(map(operator.gt, listed, listed[1:])):
            self.report(self.meta.page, 0, "a list of free pages is damaged")
        elif listed and not 2 <= listed[-1] <= listed[0] <= self.meta.last_page:
            self.report(self.meta.page, 0, "a free page is out of bounds")
        elif not free.isdisjoint(listed):
            self.report(self.meta.page, 0, "a page is free twice")
        free.update(listed)


class _Walk:
    """Walks the pages of a tree."""

    def __init__(self, pages: Pages, tree: Tree) -> None:
        self._pages = pages
        self._tree = tree
        self._order = _by_number if tree == pages.meta.free else bytes
        self._last = b""
        self._found = [0, 0, 0]
        """The numbers of branch pages, leaf pages and entries."""
        self._used_before = len(pages.used)

    def leaves(self) -> Iterator[tuple[Child, bytes]]:
        """Yield the leaves and their bytes in the order of their keys."""
        pending = [Child(self._tree.root, 1)] if self._tree.root != NONE else []
        while pending:
            child = pending.pop()
            is_leaf = child.level >= self._tree.depth
            page = self._page(child, is_leaf=is_leaf)
            if not page:
                continue
            if is_leaf:
                self._found[1] += 1
                self._found[2] += (HEADER.unpack_from(page)[3] - HEADER.size) >> 1
                yield child, page
            else:
                self._found[0] += 1
                pending += reversed(self._children(child, page))

    def check_order(self, child: Child, keys: list[bytes]) -> None:
        """Check that the keys of a leaf follow those before it, and are within the bounds of its parents."""
        ordered = keys if self._order is bytes else [*map(self._order, keys)]
        if not ordered:
            return
        if not all(map(operator.lt, [self._last, *ordered], ordered)):
            self._pages.report(child.number, 0, "its keys are not in order")
        if (child.low is not None and ordered[0] < child.low) or (
            child.high is not None and ordered[-1] >= child.high
        ):
            self._pages.report(child.number, 0, "it has keys outside the bounds of its parents")
        self._last = ordered[-1]

    def check_counts(self) -> None:
        """Compare the numbers of pages and entries with the meta page."""
        pages, tree = self._pages, self._tree
        found, said = self._found, [tree.branch_pages, tree.leaf_pages, tree.entries]
        found.append(len(pages.used) - self._used_before - found[0] - found[1])
        said.append(tree.overflow_pages)
        if found != said:
            what = "branch pages, leaf pages, entries and pages of large values"
            pages.report(pages.meta.page, 0, f"a tree should have {said} {what}, and has {found}")

    def _page(self, child: Child, *, is_leaf: bool) -> bytes:
        """Return the bytes of a page; none if its header is not sound."""
        pages, number = self._pages, child.number
        if not 2 <= number <= pages.meta.last_page or child.level > DEEPEST:
            pages.report(number, 0, "the tree leads to it, but it is out of bounds", loses=True)
            return b""
        if number in pages.used:
            pages.report(number, 0, "the tree leads to it twice")
            return b""
        pages.used.add(number)
        page = pages.page(number)
        if len(page) < pages.meta.page_size:
            pages.report(number, 0, "it cannot be read: the file is truncated, or the disk fails", loses=True)
            return b""
        own, padding, flags, lower, upper = HEADER.unpack_from(page)
        if (own, padding) != (number, 0):
            pages.report(number, 0, f"its header is that of page {own}", loses=True)
        if flags != (LEAF if is_leaf else BRANCH) or not 16 < lower <= upper <= pages.meta.page_size or lower % 2:
            kind = "leaf" if is_leaf else "branch"
            pages.report(
                number,
                10,
                f"it is not a {kind}: flags {flags:#x}, pointers to {lower}, nodes from {upper}",
                loses=True,
            )
            return b""
        return page

    def _children(self, parent: Child, page: bytes) -> list[Child]:
        """Return the pages below a branch."""
        numbers: list[int] = []
        keys: list[bytes] = []
        upper, places = pointers(page)
        for at in places:
            first, second, third, key_size = NODE.unpack_from(page, at) if at <= len(page) - 8 else (0, 0, 0, 0)
            if not upper <= at <= len(page) - 8 - key_size:
                self._pages.report(parent.number, at, "a pointer leads out of the nodes", loses=True)
                continue
            numbers.append(first | second << 16 | third << 32)
            keys.append(self._order(page[at + 8 : at + 8 + key_size]))
        if not all(map(operator.lt, keys[1:], keys[2:])):  # the first key is unused
            self._pages.report(parent.number, 0, "its keys are not in order")
        ends = [parent.low, *keys[1:], parent.high]
        level = parent.level + 1
        return [Child(number, level, *ends[at : at + 2]) for at, number in enumerate(numbers)]


def pointers(page: bytes) -> tuple[int, tuple[int, ...]]:
    """Return the offset of the first node of a page, and the offset of each."""
    *_, lower, upper = HEADER.unpack_from(page)
    return upper, struct.unpack_from(f"={(lower - HEADER.size) >> 1}H", page, HEADER.size)


def _by_number(key: bytes) -> bytes:
    """Convert a native integer to bytes that compare like it."""
    return key[::-1] if sys.byteorder == "little" else key
