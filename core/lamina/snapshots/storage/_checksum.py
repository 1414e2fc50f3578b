"""Entries with a checksum, so that no damaged one is taken for what was stored.

A value is stored as `MARK`, the value, and the CRC-32 of key, mark and value (little-endian): so that a value
under another's key is found as well. Values of schema version 2 have neither mark nor checksum, and no byte of the
mark begins them: no flipped bit turns one kind into the other.
"""

from __future__ import annotations

from zlib import crc32

from lamina.errdefs import DataLoss
from lamina.snapshots.storage._environment import Transaction
from lamina.snapshots.storage._format import MARK, RESIDUE, SIZE, describe


def get(transaction: Transaction, key: bytes) -> bytes | None:
    """The value of a key, checked; None where there is none.

    Raises:
        DataLoss: It is not what was stored under this key.
    """
    data = transaction.get(key)
    if data is None:
        return None
    if data[:2] == MARK and crc32(key + data) == RESIDUE:  # as in `check`, without what a call costs each read
        return data[2:-SIZE]
    return check(key, data)


def put(transaction: Transaction, key: bytes, value: bytes) -> None:
    """Store a value with its checksum."""
    transaction.put(key, add(key, value))


def add(key: bytes, value: bytes) -> bytes:
    """A value with its checksum."""
    marked = MARK + value
    return marked + crc32(key + marked).to_bytes(SIZE, "little")


def check(key: bytes, data: bytes) -> bytes:
    """The value in what is stored under a key.

    Raises:
        DataLoss: It is not what was stored under this key.
    """
    if data[:2] == MARK:
        if crc32(key + data) != RESIDUE:  # to join them costs less than a second call
            raise _damaged(key)
        return data[2:-SIZE]
    if b"\xff" in data[:2]:
        raise _damaged(key)
    return data


def has_checksum(data: bytes) -> bool:
    """Whether what is stored under a key has a checksum: all has that was stored since schema version 3."""
    return data[:2] == MARK


def _damaged(key: bytes) -> DataLoss:
    return DataLoss(
        f"the metastore is damaged: {describe(key)} is not what was stored (wrong checksum). Restart "
        "lamina: it checks the metastore before it serves, and sets aside what is damaged"
    )
