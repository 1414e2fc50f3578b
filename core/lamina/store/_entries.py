"""Reading entries in the order of their keys."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from lamina.errdefs import DataLoss
from lamina.store._checksum import check
from lamina.store._environment import Transaction

BATCH: Final = 256
"""Entries in one transaction of a walk over many: a long transaction would keep freed pages from being reused."""


def ascending(transaction: Transaction, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries whose keys have a prefix, with verified values (`_checksum`).

    LMDB trusts the order of its keys: on a damaged page, a walk that resumes after the last key seen might never
    end.

    Args:
        transaction: A transaction.
        prefix: The prefix of the keys.
        start: The key to start at; empty: the first one with the prefix.

    Raises:
        DataLoss: The keys are not in ascending order, or a checksum is wrong.
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
        least: The lower bound of the first key.
        keys: The keys, in the order of the database.

    Raises:
        DataLoss: They do not.
    """
    if keys[0] < least:
        raise DataLoss(f"the metastore is damaged: key {keys[0].hex()} is where {least.hex()} begins")
    for last, key in itertools.pairwise(keys):
        if key <= last:
            raise DataLoss(f"the metastore is damaged: key {key.hex()} follows {last.hex()}")
