"""Checksums of entries, by which damaged ones are detected.

A value is stored as `MARK`, the value, and the CRC-32 of key, mark and value (little-endian), which also detects a
value under the wrong key. Values of schema version 2 have neither mark nor checksum, and neither of their first
two bytes is a byte of the mark: no flipped bit turns one form into the other.
"""

from __future__ import annotations

from zlib import crc32

from lamina.errdefs import DataLoss
from lamina.store._environment import Transaction
from lamina.store._format import MARK, RESIDUE, SIZE, describe


def get(transaction: Transaction, key: bytes) -> bytes | None:
    """Return the verified value of a key, or None if there is none.

    Raises:
        DataLoss: The checksum is wrong.
    """
    data = transaction.get(key)
    if data is None:
        return None
    if data[:2] == MARK and crc32(key + data) == RESIDUE:  # `check` inlined: a call would slow down each read
        return data[2:-SIZE]
    return check(key, data)


def put(transaction: Transaction, key: bytes, value: bytes) -> None:
    """Store a value with its checksum."""
    transaction.put(key, add(key, value))


def add(key: bytes, value: bytes) -> bytes:
    """Return a value with its checksum."""
    marked = MARK + value
    return marked + crc32(key + marked).to_bytes(SIZE, "little")


def check(key: bytes, data: bytes) -> bytes:
    """Return the value in the stored bytes of a key.

    Raises:
        DataLoss: The checksum is wrong.
    """
    if data[:2] == MARK:
        if crc32(key + data) != RESIDUE:  # joining costs less than a second call
            raise _damaged(key)
        return data[2:-SIZE]
    if b"\xff" in data[:2]:
        raise _damaged(key)
    return data


def has_checksum(data: bytes) -> bool:
    """Return whether stored bytes have a checksum, as all have since schema version 3."""
    return data[:2] == MARK


def _damaged(key: bytes) -> DataLoss:
    return DataLoss(
        f"the metastore is damaged: {describe(key)} has a wrong checksum. Restart lamina: it "
        "checks the metastore before it serves, and sets a damaged file aside"
    )
