"""The check of a metastore's entries (`lamina.store._fsck.EntryCheck`).

`agree` makes the comparisons of `Entries` except that of a record with its key, which the checksum implies. It
looks up no entries, but compares the sums of 64-bit hashes of sets that must be equal; the hashes differ in each
process (PYTHONHASHSEED in CPython's manual).
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import compress, repeat
from typing import Final
from zlib import crc32

from lamina.snapshots.storage._cross_check import Entries, record_key
from lamina.snapshots.storage._format import HEAD
from lamina.store._format import DATABASE_KEY_LIMIT, MARK, RESIDUE, SIZE
from lamina.store._leaves import Batch, doubt

_CHILD_SIZE: Final = 21
"""The length of a child's key: `c`, keyspace number, and the identifiers of parent and child."""
_ID_SIZE: Final = 13
"""The length of an identifier's key: `i`, snapshotter number, identifier."""
_RIGHT: Final = {RESIDUE}
_PARENTS_AT: Final = len(MARK) + HEAD.size
"""The offset of the parents in a stored record."""

_NAME_AT: Final = _CHILD_SIZE - 5 + len(MARK)
"""The offset of the name in a stored child entry, after the keyspace number."""
_LONG_CHILD: Final = _NAME_AT + DATABASE_KEY_LIMIT - 5
"""The length from which the name does not fit in a record's key."""

_prefix: Final = operator.itemgetter(slice(5))
"""The prefix of a key: its kind, and the number of the snapshotter or keyspace."""
_keyspace: Final = operator.itemgetter(slice(_ID_SIZE + len(MARK) + 1, _ID_SIZE + len(MARK) + 5))
"""The keyspace number of the record in a stored identifier entry."""


def agree(batches: Iterable[Batch]) -> bool:
    """Return whether the entries of a metastore are sound (`lamina.store._fsck.EntryCheck`)."""
    comparison = _Comparison()
    for batch in batches:
        comparison.add(batch)
    return comparison.agrees()


def problems(entries: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """Yield the problems of the entries of a metastore."""
    return Entries().check(entries)


class _Comparison:
    """Compares entries with each other."""

    def __init__(self) -> None:
        self._ids = 0
        """The sum of the hashes of identifier entries, minus those computed from records."""
        self._children: defaultdict[bytes, int] = defaultdict(int)
        """The sum of the hashes of child entries, minus those computed from records, by keyspace number."""
        self._missing: defaultdict[bytes, set[bytes]] = defaultdict(set)
        """The identifiers of parents not yet met among the records, by keyspace number."""
        self._owners: set[tuple[bytes, bytes]] = set()
        """The keyspace number and snapshotter number of each record to which an identifier leads."""
        self._greatest: dict[bytes, int] = {}
        """The highest identifier of a snapshot, by snapshotter number."""
        self._others: list[tuple[bytes, bytes]] = []
        """The entries to compare one by one."""

    def add(self, batch: Batch) -> None:
        """Add a batch of entries. Children come before identifiers, and identifiers before records."""
        adders = {b"c": self._add_children, b"i": self._add_identifiers, b"k": self._add_records}
        end = 0
        while end < len(batch.keys):
            begin, prefix = end, _prefix(batch.keys[end])
            end = bisect_right(batch.keys, prefix, begin, key=_prefix)
            part = Batch(batch.keys[begin:end], batch.sizes[begin:end], batch.entries[begin:end])
            add = adders.get(prefix[:1])
            if add is None:
                self._others += zip(part.keys, map(bytes.removeprefix, part.entries, part.keys), strict=True)
            elif set(map(crc32, part.entries)) == _RIGHT:
                add(prefix[1:], part)
            else:
                doubt()

    def _add_children(self, keyspace: bytes, batch: Batch) -> None:
        if set(batch.sizes) != {_CHILD_SIZE}:
            doubt()
        named = [entry[5:-SIZE] for entry in batch.entries]  # parent, child, mark, name
        if max(map(len, named)) >= _LONG_CHILD:
            named = [one[:_NAME_AT] + record_key(b"k" + keyspace, one[_NAME_AT:])[5:] for one in named]
        self._children[keyspace] += sum(map(hash, named))
        self._missing[keyspace].update([one[:8] for one in named])

    def _add_identifiers(self, snapshotter: bytes, batch: Batch) -> None:
        if set(batch.sizes) != {_ID_SIZE}:
            doubt()
        self._ids += sum(map(hash, [entry[5:-SIZE] for entry in batch.entries]))  # identifier, mark, record's key
        self._owners.update((keyspace, snapshotter) for keyspace in set(map(_keyspace, batch.entries)))
        self._greatest[snapshotter] = int.from_bytes(batch.keys[-1][5:], "big")

    def _add_records(self, keyspace: bytes, batch: Batch) -> None:
        keys, sizes, entries = batch
        ids = [entry[size + 3 : size + 11] for entry, size in zip(entries, sizes, strict=True)]
        marked = [*map(operator.add, ids, repeat(MARK))]
        self._ids -= sum(map(hash, map(operator.add, marked, keys)))
        self._missing[keyspace].difference_update(ids)
        are_built = [entry[size + 14] or entry[size + 13] for entry, size in zip(entries, sizes, strict=True)]
        named = [
            entry[size + _PARENTS_AT : size + _PARENTS_AT + 8] + one + key[5:]
            for entry, size, one, key in compress(zip(entries, sizes, marked, keys, strict=True), are_built)
        ]
        self._children[keyspace] -= sum(map(hash, named))

    def agrees(self) -> bool:
        """Return whether all entries agree."""
        owners = dict(self._owners)
        if self._ids or any(self._children.values()) or len(owners) < len(self._owners):
            return False
        missing = [keyspace + id_ for keyspace, ids in self._missing.items() for id_ in ids]
        rest = Entries(self._children, missing, owners, self._greatest)
        return next(iter(rest.check(self._others)), None) is None
