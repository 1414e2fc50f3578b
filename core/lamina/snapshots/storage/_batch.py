"""Reading records in the order of their keys, in batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final

from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._record import name_in
from lamina.store._checksum import check
from lamina.store._entries import check_order
from lamina.store._environment import Transaction

BATCH: Final = 100
"""Records in one read transaction of a walk, as in containerd."""


def batch(transaction: Transaction, prefix: bytes, start: bytes | None) -> tuple[list[bytes], bytes | None]:
    """Return the verified bytes of a batch of records, and the key at which the next batch starts, or None.

    The database orders keys that share their first `layout.SHARED` bytes by digest: they are sorted here, and
    never split between batches.

    Args:
        transaction: A read transaction.
        prefix: The prefix of the records' database keys.
        start: The key at which to start; None: the first.

    Raises:
        DataLoss: The keys are not in ascending order, or a checksum is wrong.
    """
    cursor = transaction.cursor()
    if not cursor.set_range(start or prefix):
        return [], None
    entries = iter(cursor)
    ahead = list(itertools.islice(entries, BATCH + 1))
    keys = [key for key, _ in ahead]
    check_order(start or prefix, keys)
    last = keys[-1]
    if len(ahead) > BATCH and last.startswith(prefix) and max(map(len, keys)) < layout.SHARED:
        return [check(key, data) for key, data in ahead[:BATCH]], last  # nearly always
    return _in_order(prefix, itertools.chain(ahead, entries))


def _in_order(prefix: bytes, entries: Iterable[tuple[bytes, bytes]]) -> tuple[list[bytes], bytes | None]:
    """Return the same for entries of which some have long keys, or another prefix."""
    values: list[bytes] = []
    group: list[bytes] = []
    shared = b""
    least = b""
    for key, data in entries:
        check_order(least, (key,))
        least = key + b"\0"
        if not key.startswith(prefix):
            break
        together = len(key) >= layout.SHARED and key[: layout.SHARED] == shared
        if group and not together:
            values += sorted(group, key=name_in)
            group = []
        if len(values) >= BATCH and not together:
            return values, key
        if len(key) < layout.SHARED:
            values.append(check(key, data))
        else:
            group.append(check(key, data))
            shared = key[: layout.SHARED]
    return values + sorted(group, key=name_in), None
