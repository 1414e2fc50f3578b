"""Reading entries in the order of their keys."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from lamina.errdefs import DataLoss
from lamina.snapshots.storage._checksum import check
from lamina.snapshots.storage._environment import Transaction


def ascending(transaction: Transaction, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """The entries whose keys begin with a prefix, each checked (`_checksum`).

    LMDB trusts the order of its keys. Where a page is damaged, a walk that goes on behind the last key that it has
    seen would come by the same keys for ever.

    Args:
        transaction: A transaction.
        prefix: What the keys begin with.
        start: The least key; empty: the first one with the prefix.

    Raises:
        DataLoss: The keys are not in ascending order, or a value is not what was stored.
    """
    cursor = transaction.cursor()
    least = start or prefix
    if not cursor.set_range(least):
        return
    for key, value in cursor:
        check_order(least, (key,))
        if not key.startswith(prefix):
            return
        yield key, check(key, value)
        least = key + b"\0"


def check_order(least: bytes, keys: Sequence[bytes]) -> None:
    """Check that keys ascend.

    Args:
        least: The least that the first may be.
        keys: The keys, as the database has them.

    Raises:
        DataLoss: They do not.
    """
    if keys[0] < least:
        raise DataLoss(f"the metastore is damaged: key {keys[0].hex()} stands where {least.hex()} begins")
    for last, key in itertools.pairwise(keys):
        if key <= last:
            raise DataLoss(f"the metastore is damaged: key {key.hex()} stands behind {last.hex()}")
