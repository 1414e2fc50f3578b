"""The entries of a sound LMDB file, read many leaves at a time.

Each step is a built-in function or a comprehension over all entries of those leaves: one by one they would take
twice as long. If anything may be wrong, `Doubtful` is raised without details. Like `_fsck`, the module imports
nothing from the rest of lamina.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, compress, pairwise, repeat
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeAlias

from lamina.store._meta import HEADER, NONE
from lamina.store._pages import BIG, BRANCH, LEAF, Pages

if TYPE_CHECKING:
    import mmap

LEAVES: Final = 64
"""Leaves read together: their data fits in a processor's cache."""
_NODE: Final = struct.Struct("=IHH")
"""A node like `NODE`, with the size of the value in one number. In a branch the first two are the child's page."""

Data: TypeAlias = "bytes | mmap.mmap"
"""A whole file."""


class Doubtful(Exception):
    """The file may be damaged."""


class Batch(NamedTuple):
    """Entries in the order of their keys."""

    keys: Sequence[bytes]
    sizes: Sequence[int]
    """The length of each key."""
    entries: Sequence[bytes]
    """Key and value, concatenated."""


def doubt() -> NoReturn:
    """Raise `Doubtful`."""
    raise Doubtful


def batches(pages: Pages, data: Data) -> Iterator[Batch]:
    """Yield all entries in order.

    Args:
        pages: Reads large values; has walked no tree yet. The pages of this tree are added to its `used`.
        data: The file.

    Raises:
        Doubtful, struct.error: The file may be damaged.
    """
    meta, tree, file = pages.meta, pages.meta.main, _File(pages, data)
    numbers, lows = ([tree.root], [b""]) if tree.root != NONE else ([], [])
    used: list[int] = []
    for _ in range(1, tree.depth):
        used += numbers
        numbers, lows = file.children(numbers, lows)
    branches = len(used)
    used += numbers
    distinct = set(used)
    if len(distinct) < len(used) or not all(2 <= number <= meta.last_page for number in used):
        doubt()
    entries, last = 0, b""
    for first in range(0, len(numbers), LEAVES):
        least = lows[first : first + LEAVES]
        if last >= least[0] > b"":
            doubt()
        batch = file.batch(numbers[first : first + LEAVES], least)
        entries += len(batch.keys)
        last = batch.keys[-1]
        yield batch
    found = branches, len(numbers), len(pages.used), entries
    if found != (tree.branch_pages, tree.leaf_pages, tree.overflow_pages, tree.entries):
        doubt()
    if not pages.used.isdisjoint(distinct):
        doubt()
    pages.used |= distinct


class _File:
    def __init__(self, pages: Pages, data: Data) -> None:
        self._pages = pages
        self._data = data
        self._size = pages.meta.page_size

    def children(self, numbers: Sequence[int], lows: Sequence[bytes]) -> tuple[list[int], list[bytes]]:
        """Return the pages below branches, and the least key that each may hold."""
        data = self._data
        children: list[int] = []
        least: list[bytes] = []
        places, _ = self._places(numbers, BRANCH)
        for number, low, some in zip(numbers, lows, places, strict=True):
            keys = []
            for place in some:
                at = number * self._size + place
                first, second, key_size = _NODE.unpack_from(data, at)
                if place + 8 + key_size > self._size:
                    doubt()
                children.append(first | second << 32)
                keys.append(data[at + 8 : at + 8 + key_size])
            keys[0] = low  # the first key is unused
            least += keys
        if not _ascend(least) or not all(2 <= number <= self._pages.meta.last_page for number in children):
            doubt()
        return children, least

    def batch(self, numbers: Sequence[int], lows: Sequence[bytes]) -> Batch:
        """Return the entries of leaves, given the least key that each may hold."""
        places, taken = self._places(numbers, LEAF)
        ats = [number * self._size + place for number, some in zip(numbers, places, strict=True) for place in some]
        lengths, sizes, entries = self._entries(ats)
        keys = [entry[:size] for entry, size in zip(entries, sizes, strict=True)]
        padded = [length + 9 & ~1 for length in lengths]
        begins = [*accumulate(map(len, places), initial=0)]
        are_right = (
            [sum(padded[begin:end]) for begin, end in pairwise(begins)] == taken
            and _ascend(keys)
            and all(map(operator.le, lows, [keys[begin] for begin in begins[:-1]]))
            and all(map(operator.lt, [keys[begin - 1] for begin in begins[1:-1]], lows[1:]))
        )
        return Batch(keys, sizes, entries) if are_right else doubt()

    def _places(self, numbers: Sequence[int], kind: int) -> tuple[list[tuple[int, ...]], list[int]]:
        """Return the offsets of the nodes of each page, and the bytes that the nodes of each page take."""
        data, size = self._data, self._size
        bases = [number * size for number in numbers]
        if max(bases) + size > len(data):
            doubt()
        headers = map(HEADER.unpack_from, repeat(data), bases)
        owns, paddings, kinds, lowers, uppers = zip(*headers, strict=True)
        are_right = (
            owns == tuple(numbers)
            and not any(paddings)
            and set(kinds) == {kind}
            and min(lowers) > HEADER.size
            and not any(lower & 1 for lower in lowers)
            and all(map(operator.le, lowers, uppers))
            and max(uppers) <= size
        )
        if not are_right:
            doubt()
        unpack = {lower: struct.Struct(f"={lower - HEADER.size >> 1}H").unpack_from for lower in set(lowers)}
        places = [unpack[lower](data, base + HEADER.size) for base, lower in zip(bases, lowers, strict=True)]
        if not all(map(operator.ge, map(min, places), uppers)):
            doubt()
        return places, [size - upper for upper in uppers]

    def _entries(self, ats: Sequence[int]) -> tuple[list[int], Sequence[int], list[bytes]]:
        """Return for each node its length without the head, the size of its key, and the entry."""
        data = self._data
        values, flags, sizes = zip(*map(_NODE.unpack_from, repeat(data), ats), strict=True)
        lengths = [*map(operator.add, values, sizes)]
        large = [*compress(range(len(ats)), flags)]
        for which in large:
            lengths[which] = sizes[which] + 8
        if max(lengths) > self._size:
            doubt()
        entries = [data[at + 8 : at + 8 + length] for at, length in zip(ats, lengths, strict=True)]
        for which in large:
            value = self._large(ats[which], values[which]) if flags[which] == BIG else doubt()
            entries[which] = entries[which][:-8] + value
        return lengths, sizes, entries

    def _large(self, at: int, size: int) -> bytes:
        """Return a value stored on overflow pages."""
        number, place = divmod(at, self._size)
        page = self._data[at - place : at - place + self._size]
        return self._pages.big(number, page, place, size) or doubt()


def _ascend(keys: Sequence[bytes]) -> bool:
    return all(map(operator.lt, keys, keys[1:]))
