"""A quick look at all of a metastore's file, which tells only that all is well, or that it may not be.

It compares what `Pages` and `Entries` compare, but a record with its key: one whose checksum is right is what was
stored under that key. No entry is looked up: two sets of entries that must be the same have the same sum of
hashes, which are of 64 bits and differ in each process (PYTHONHASHSEED in the manual of CPython). As `_check`, it
needs nothing of the rest of lamina.
"""

from __future__ import annotations

import operator
import struct
from bisect import bisect_right
from collections import defaultdict
from itertools import compress, repeat
from typing import Final
from zlib import crc32

from lamina.snapshots.storage._cross_check import Entries, record_key
from lamina.snapshots.storage._format import DATABASE_KEY_LIMIT, HEAD, MARK, RESIDUE, SIZE
from lamina.snapshots.storage._leaves import Batch, Data, Doubtful, batches, doubt
from lamina.snapshots.storage._meta import Meta
from lamina.snapshots.storage._pages import Pages

_CHILD_SIZE: Final = 21
"""Bytes of the key of a child: `c`, keyspace number, and the identifiers of the parent and of the child."""
_ID_SIZE: Final = 13
"""Bytes of the key of an identifier: `i`, snapshotter number, identifier."""
_RIGHT: Final = {RESIDUE}
_PARENTS_AT: Final = len(MARK) + HEAD.size
"""Where the parents are in a record as it is stored."""

_NAME_AT: Final = _CHILD_SIZE - 5 + len(MARK)
"""Where the name is in what is stored of a child, behind the number of the keyspace."""
_LONG_CHILD: Final = _NAME_AT + DATABASE_KEY_LIMIT - 5
"""Bytes of that where the name does not fit into the key of the record."""

_prefix: Final = operator.itemgetter(slice(5))
"""Of a key: its kind, and the number of the snapshotter or of the keyspace."""
_space: Final = operator.itemgetter(slice(_ID_SIZE + len(MARK) + 1, _ID_SIZE + len(MARK) + 5))
"""Of what is stored of an identifier: the number of the record's keyspace."""


def is_whole(data: Data, meta: Meta) -> bool:
    """Tell whether nothing is wrong with a file.

    Args:
        data: The file.
        meta: What it says of itself; nobody reuses the pages that this leads to.

    Returns:
        Whether `Pages` and `Entries` would find nothing. False also where that is not known: of stores of other
        schema versions.
    """
    pages = Pages(lambda offset, size: data[offset : offset + size], meta)
    comparison = _Comparison()
    try:
        for batch in batches(pages, data):
            comparison.add(batch)
        free = pages.free()
        return not pages.damages and free.isdisjoint(pages.used) and comparison.agrees()
    except (Doubtful, struct.error):
        return False


class _Comparison:
    """The comparison of entries with each other."""

    def __init__(self) -> None:
        self._ids = 0
        """The sum of the hashes of what leads to records, less those of records and their identifiers."""
        self._children: defaultdict[bytes, int] = defaultdict(int)
        """By keyspace number, as `_ids`, of children, less those of records and their identifiers and parents."""
        self._missing: defaultdict[bytes, set[bytes]] = defaultdict(set)
        """By keyspace number, the identifiers of parents whose records were not met."""
        self._owners: set[tuple[bytes, bytes]] = set()
        """Keyspace number and the number of its snapshotter, of each that identifiers lead to."""
        self._greatest: dict[bytes, int] = {}
        """By snapshotter number, the greatest identifier of a snapshot."""
        self._others: list[tuple[bytes, bytes]] = []
        """The entries that are compared one by one."""

    def add(self, batch: Batch) -> None:
        """Look at some entries. Children come before identifiers, and these before records."""
        looks = {b"c": self._add_children, b"i": self._add_identifiers, b"k": self._add_records}
        end = 0
        while end < len(batch.keys):
            begin, prefix = end, _prefix(batch.keys[end])
            end = bisect_right(batch.keys, prefix, begin, key=_prefix)
            part = Batch(batch.keys[begin:end], batch.sizes[begin:end], batch.entries[begin:end])
            look = looks.get(prefix[:1])
            if look is None:
                self._others += zip(part.keys, map(bytes.removeprefix, part.entries, part.keys), strict=True)
            elif set(map(crc32, part.entries)) == _RIGHT:
                look(prefix[1:], part)
            else:
                doubt()

    def _add_children(self, space: bytes, batch: Batch) -> None:
        if set(batch.sizes) != {_CHILD_SIZE}:
            doubt()
        named = [entry[5:-SIZE] for entry in batch.entries]  # parent, child, mark, name
        if max(map(len, named)) >= _LONG_CHILD:
            named = [one[:_NAME_AT] + record_key(b"k" + space, one[_NAME_AT:])[5:] for one in named]
        self._children[space] += sum(map(hash, named))
        self._missing[space].update([one[:8] for one in named])

    def _add_identifiers(self, snapshotter: bytes, batch: Batch) -> None:
        if set(batch.sizes) != {_ID_SIZE}:
            doubt()
        self._ids += sum(map(hash, [entry[5:-SIZE] for entry in batch.entries]))  # identifier, mark, record's key
        self._owners.update((space, snapshotter) for space in set(map(_space, batch.entries)))
        self._greatest[snapshotter] = int.from_bytes(batch.keys[-1][5:], "big")

    def _add_records(self, space: bytes, batch: Batch) -> None:
        keys, sizes, entries = batch
        ids = [entry[size + 3 : size + 11] for entry, size in zip(entries, sizes, strict=True)]
        marked = [*map(operator.add, ids, repeat(MARK))]
        self._ids -= sum(map(hash, map(operator.add, marked, keys)))
        self._missing[space].difference_update(ids)
        are_built = [entry[size + 14] or entry[size + 13] for entry, size in zip(entries, sizes, strict=True)]
        named = [
            entry[size + _PARENTS_AT : size + _PARENTS_AT + 8] + one + key[5:]
            for entry, size, one, key in compress(zip(entries, sizes, marked, keys, strict=True), are_built)
        ]
        self._children[space] -= sum(map(hash, named))

    def agrees(self) -> bool:
        """Whether everything agrees that was added."""
        owners = dict(self._owners)
        if self._ids or any(self._children.values()) or len(owners) < len(self._owners):
            return False
        missing = [space + id_ for space, ids in self._missing.items() for id_ in ids]
        rest = Entries(self._children, missing, owners, self._greatest)
        return next(iter(rest.check(self._others)), None) is None
