"""The layout of the database.

========================================  ==========================================================
key                                       value
========================================  ==========================================================
``m`` name                                metadata of the whole store: uuid, schema version, counter
``n`` snapshotter                         the snapshotter's number, next free identifier and generation
``b`` snapshotter                         the boot of the machine during which it was last opened
``f`` snapshotter                         the highest identifier that a failed sync may have damaged
``s`` snapshotter ``NUL`` keyspace        the keyspace's number
``k`` keyspace snapshot key               the record
``c`` keyspace parent id, child id        the child's key
``i`` snapshotter id                      the database key of the record
``t`` owner ``NUL`` version key           the value of an entry of another owner (`lamina.store.Table`)
========================================  ==========================================================

Keyspace and snapshotter numbers have 4 bytes, identifiers 8, all big-endian, so that related
entries are adjacent and are walked in order. Every value has a checksum (`_checksum`) but ``mschema``, which every
version of lamina reads; ``mversion`` holds the same number with one.
"""

from __future__ import annotations

import struct
from typing import Final

from lamina.errdefs import InvalidArgument
from lamina.snapshots.storage._format import SHARED
from lamina.store._format import DATABASE_KEY_LIMIT, SCHEMA_KEY, UUID, VERSION, describe, shorten

__all__ = ["DATABASE_KEY_LIMIT", "SCHEMA_KEY", "SHARED", "UUID", "VERSION", "describe", "shorten"]

KEY_LIMIT: Final = 32_768
"""Maximum length of a snapshot's key in bytes; containerd's store (bbolt) refuses longer ones, too."""
COUNTER: Final = b"mcounter"
UNKNOWN_ID: Final = 1 << 40
"""The next identifier of a snapshotter whose counter was lost."""
SALVAGED: Final = b"msalvaged"
"""Present if the store was salvaged from a damaged one; the value is the time (UTC)."""
LOSSES: Final = b"mlosses"
"""Present if a rebuild may have lost entries of other owners than snapshots, and that was not accepted since; the
value is the time (UTC)."""

NUMBER: Final = struct.Struct(">I")
IDENTIFIER: Final = struct.Struct(">Q")
SNAPSHOTTER: Final = struct.Struct(">IQQ")
"""A snapshotter's number, its next free identifier, and the count of its openings."""


def check_key(key: str) -> bytes:
    """Encode a snapshot's key or name.

    Raises:
        InvalidArgument: It is empty, longer than `KEY_LIMIT` bytes, or not Unicode text.
    """
    if not key:
        raise InvalidArgument("a snapshot's key must not be empty")
    try:
        data = key.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"snapshot {shorten(key)}: not Unicode text: {error.reason}") from None
    if len(data) > KEY_LIMIT:
        raise InvalidArgument(
            f"snapshot {shorten(key)}: the key has {len(data)} bytes, more than the maximum of {KEY_LIMIT}"
        )
    return data


def record_key(number: bytes, key: bytes) -> bytes:
    """Return the database key of a record.

    A key that would reach LMDB's limit is truncated and ends in a digest. Only such keys have exactly
    `DATABASE_KEY_LIMIT` bytes, so that they cannot collide with short ones.
    """
    whole = b"k" + number + key
    if len(whole) < DATABASE_KEY_LIMIT:
        return whole
    import hashlib

    return whole[:SHARED] + hashlib.sha256(key).digest()


def child_key(number: bytes, parent_id: int, child_id: int) -> bytes:
    """Return the database key of a child's entry in the index of its parent."""
    return children_prefix(number, parent_id) + IDENTIFIER.pack(child_id)


def children_prefix(number: bytes, parent_id: int) -> bytes:
    """Return the prefix of the database keys of a snapshot's children."""
    return b"c" + number + IDENTIFIER.pack(parent_id)


def id_key(snapshotter: bytes, id_: int) -> bytes:
    """Return the database key that leads from an identifier to its record."""
    return b"i" + snapshotter + IDENTIFIER.pack(id_)


def snapshotter_key(snapshotter: str) -> bytes:
    """Return the database key of a snapshotter's number, next identifier and generation."""
    return b"n" + snapshotter.encode()


def boot_key(snapshotter: str) -> bytes:
    """Return the database key of the boot during which a snapshotter was last opened."""
    return b"b" + snapshotter.encode()


def failed_sync_key(snapshotter: str) -> bytes:
    """Return the database key of the highest identifier that a failed sync may have damaged."""
    return b"f" + snapshotter.encode()


def keyspace_key(snapshotter: str, keyspace: str) -> bytes:
    """Return the database key of a keyspace's number."""
    return b"s" + snapshotter.encode() + b"\0" + keyspace.encode()
