"""A quick look at all of a metastore's file, which tells only that all is well, or that it may not be.

It compares what `Pages` and `Entries` compare, in loops that keep to local variables and look up no entry: two
sets of entries that must be the same have the same sum of hashes, which are of 64 bits and differ in each process
(PYTHONHASHSEED in the manual of CPython). As `_check`, it needs nothing of the rest of lamina.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator
from typing import Final, NoReturn, TypeAlias
from zlib import crc32

from lamina.snapshots.storage._cross_check import Entries, record_key
from lamina.snapshots.storage._format import DATABASE_KEY_LIMIT, HEAD, MARK, RESIDUE, SIZE
from lamina.snapshots.storage._meta import HEADER, NONE, Meta, Read
from lamina.snapshots.storage._pages import BIG, BRANCH, LEAF, NODE, Pages

_COMPARED: Final = frozenset([b"c", b"i", b"k"])
_RIGHT: Final = frozenset([RESIDUE])
_SHAPE: Final = struct.Struct(">B8sII40xII8x")
"""The parts of a record's `HEAD` that are looked at: kind, id, number of parents, length of the message, where in
the message the name begins, and its length."""
_PARENTS_AT: Final = len(MARK) + HEAD.size
"""Where the parents are in a record as it is stored."""

_Leaf: TypeAlias = tuple[list[bytes], list[bytes]]
"""The keys of a page, and their values."""


class _Doubtful(Exception):
    """Something may not be as it should be."""


def is_whole(read: Read, meta: Meta) -> bool:
    """Tell whether nothing is wrong with a file.

    Args:
        read: Reads the file.
        meta: What it says of itself; nobody reuses the pages that this leads to.

    Returns:
        Whether `Pages` and `Entries` would find nothing. False also where that is not known: of stores of other
        schema versions.
    """
    pages = Pages(read, meta)
    comparison = _Comparison()
    try:
        for keys, values in _leaves(pages):
            comparison.add(keys, values)
        free = pages.free()
        return not pages.damages and free.isdisjoint(pages.used) and comparison.agrees()
    except (_Doubtful, struct.error):
        return False


def _doubt() -> NoReturn:
    raise _Doubtful


def _leaves(pages: Pages) -> Iterator[_Leaf]:
    """The leaves of the tree of entries, in order."""
    meta, tree = pages.meta, pages.meta.main
    numbers, lows = ([tree.root], [b""]) if tree.root != NONE else ([], [])
    used: list[int] = []
    for _ in range(1, tree.depth):
        used += numbers
        numbers, lows = _children(pages, numbers, lows)
    branches = len(used)
    used += numbers
    distinct = set(used)
    if len(distinct) < len(used) or not all(2 <= number <= meta.last_page for number in used):
        _doubt()
    entries = 0
    for number, low, high in zip(numbers, lows, [*lows[1:], None], strict=True):
        keys, values = _nodes(pages, number)
        if keys[0] < low or (high is not None and keys[-1] >= high) or not all(map(operator.lt, keys, keys[1:])):
            _doubt()
        entries += len(keys)
        yield keys, values
    found = branches, len(numbers), len(pages.used), entries
    if found != (tree.branch_pages, tree.leaf_pages, tree.overflow_pages, tree.entries):
        _doubt()
    if not pages.used.isdisjoint(distinct):
        _doubt()
    pages.used |= distinct


def _children(pages: Pages, numbers: list[int], lows: list[bytes]) -> tuple[list[int], list[bytes]]:
    """The pages below branches, and the least key that each may have."""
    children: list[int] = []
    least: list[bytes] = []
    for number, low in zip(numbers, lows, strict=True):
        page, upper, places = _page(pages, number, BRANCH)
        keys = []
        for at in places:
            first, second, third, key_size = NODE.unpack_from(page, at)
            if not upper <= at <= len(page) - 8 - key_size:
                _doubt()
            children.append(first | second << 16 | third << 32)
            keys.append(page[at + 8 : at + 8 + key_size])
        keys[0] = low  # the first has no meaning
        least += keys
    if not all(map(operator.lt, least, least[1:])) or not all(2 <= n <= pages.meta.last_page for n in children):
        _doubt()
    return children, least


def _page(pages: Pages, number: int, kind: int) -> tuple[bytes, int, tuple[int, ...]]:
    """A page, where its nodes begin, and where each is."""
    page = pages.page(number)
    own, padding, flags, lower, upper = HEADER.unpack_from(page)
    if (own, padding, flags) != (number, 0, kind) or not 16 < lower <= upper <= len(page) or lower & 1:
        _doubt()
    if len(page) < pages.meta.page_size:
        _doubt()
    return page, upper, struct.unpack_from(f"={(lower - HEADER.size) >> 1}H", page, HEADER.size)


def _nodes(pages: Pages, number: int) -> _Leaf:
    """The keys and values of a leaf."""
    keys: list[bytes] = []
    values: list[bytes] = []
    page, upper, places = _page(pages, number, LEAF)
    size, taken, unpack = len(page), 0, NODE.unpack_from
    for at in places:
        low, high, flags, key_size = unpack(page, at)
        start = at + 8 + key_size
        end = start + (8 if flags else low | high << 16)
        if at < upper or end > size or flags > BIG:
            _doubt()
        taken += end - at + 1 & ~1
        keys.append(page[at + 8 : start])
        if flags:
            values.append(pages.big(number, page, at, low | high << 16) or _doubt())
        else:
            values.append(page[start:end])
    if taken != size - upper:
        _doubt()
    return keys, values


class _Comparison:
    """The comparison of entries with each other."""

    def __init__(self) -> None:
        self._ids = 0
        """The sum of the hashes of what leads to records, less those of records and their identifiers."""
        self._children = 0
        """As `_ids`, of children, less those of records and their identifiers and parents."""
        self._records: set[bytes] = set()
        """Keyspace number and identifier of each."""
        self._parents: set[bytes] = set()
        """As `_records`, of those that others are built on."""
        self._owners: set[bytes] = set()
        """Keyspace number and the number of its snapshotter, of each that has records."""
        self._greatest: dict[bytes, bytes] = {}
        """By snapshotter number, the greatest identifier of a snapshot."""
        self._others: list[tuple[bytes, bytes]] = []
        """The entries that are compared one by one."""

    def add(self, keys: list[bytes], values: list[bytes]) -> None:
        """Look at some entries in the order of their keys."""
        if keys[0][:1] != keys[-1][:1]:
            for key, data in zip(keys, values, strict=True):
                self.add([key], [data])
            return
        kind = keys[0][:1]
        if kind not in _COMPARED:
            self._others += zip(keys, values, strict=True)
            return
        if not _RIGHT.issuperset(map(crc32, map(operator.add, keys, values))):
            _doubt()
        if kind == b"k":
            self._add_records(keys, values)
        elif kind == b"i":
            self._add_identifiers(keys, [data[2:-SIZE] for data in values])
        else:
            self._parents |= {key[1:13] for key in keys}
            self._add_children(keys, [data[2:-SIZE] for data in values])

    def _add_children(self, keys: list[bytes], names: list[bytes]) -> None:
        records = [b"k" + key[1:5] + name for key, name in zip(keys, names, strict=True)]
        if max(map(len, records)) >= DATABASE_KEY_LIMIT:
            records = [record_key(record[:5], record[5:]) for record in records]
        self._children += sum(
            [hash(record + key[13:] + key[5:13]) for key, record in zip(keys, records, strict=True)]
        )

    def _add_identifiers(self, keys: list[bytes], records: list[bytes]) -> None:
        self._ids += sum([hash(record + key[5:]) for key, record in zip(keys, records, strict=True)])
        self._records |= {record[1:5] + key[5:] for key, record in zip(keys, records, strict=True)}
        self._owners |= {record[1:5] + key[1:5] for key, record in zip(keys, records, strict=True)}
        self._greatest |= {key[1:5]: key[5:] for key in keys}

    def _add_records(self, keys: list[bytes], values: list[bytes]) -> None:
        unpack, at_parents = _SHAPE.unpack_from, _PARENTS_AT
        ids = children = 0
        for key, data in zip(keys, values, strict=True):
            kind, id_, parents, length, name_at, name_length = unpack(data, 2)
            at = at_parents + 8 * parents
            if at + length + SIZE != len(data) or not 1 <= kind <= 3:
                _doubt()
            at += name_at
            name = data[at : at + name_length]
            if (key[5:] != name or len(key) == DATABASE_KEY_LIMIT) and key != record_key(key[:5], name):
                _doubt()
            named = key + id_
            ids += hash(named)
            if parents:
                children += hash(named + data[at_parents : at_parents + 8])
        self._ids -= ids
        self._children -= children

    def agrees(self) -> bool:
        """Whether everything agrees that was added."""
        owners = {both[:4]: both[4:] for both in self._owners}
        if self._ids or self._children or len(owners) < len(self._owners):
            return False
        greatest = {number: int.from_bytes(id_, "big") for number, id_ in self._greatest.items()}
        rest = Entries(self._records, self._parents, owners, greatest)
        return next(iter(rest.check(self._others)), None) is None
