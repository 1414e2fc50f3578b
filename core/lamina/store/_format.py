"""The format of entries, for code that runs without the rest of lamina (`_fsck`)."""

from __future__ import annotations

from typing import Final
from zlib import crc32

SCHEMA: Final = 4
"""The schema version that this code reads and writes. Older stores are migrated, newer ones refused. A lamina
of version 3 would take the entries of tables for damage."""

MARK: Final = b"\xff\xff"
"""The prefix of a value with a checksum. UTF-8 has no such byte, and neither numbers nor kinds are that large."""
SIZE: Final = 4
"""Bytes of a CRC-32."""
RESIDUE: Final = 0x2144DF1C
"""The CRC-32 of any bytes followed by their own CRC-32 (little-endian)."""

UUID: Final = b"muuid"
"""The key of the store's UUID."""
SCHEMA_KEY: Final = b"mschema"
"""The key of the schema version, without a checksum: every version of lamina reads it."""
VERSION: Final = b"mversion"
"""The key of the same with a checksum."""
DATABASE_KEY_LIMIT: Final = 511
"""MDB_MAXKEYSIZE, as LMDB is built by default (lmdb.h, mdb_env_get_maxkeysize)."""
TABLE: Final = b"t"
"""The first byte of a table's keys; the owner's name, NUL, a byte with the version and the owner's key follow."""
OWNER_LIMIT: Final = 16
"""Maximum length of the name of a table's owner."""


def is_intact(key: bytes, data: bytes) -> bool:
    """Return whether the stored bytes of a key have the right checksum, or none."""
    if data[:2] == MARK:
        return crc32(key + data) == RESIDUE
    return b"\xff" not in data[:2]


def value_in(data: bytes) -> bytes:
    """Return the value in intact stored bytes."""
    return data[2:-SIZE] if data[:2] == MARK else data


def table_prefix(owner: str, version: int) -> bytes:
    """Return the prefix of the database keys of a table."""
    return TABLE + owner.encode() + b"\0" + bytes((version,))


def owner_of(key: bytes) -> str:
    """Return the owner of the table to which a database key belongs; "" if it belongs to none."""
    owner, _, rest = key[1 : OWNER_LIMIT + 3].partition(b"\0")
    is_owner = key[:1] == TABLE and owner.isalpha() and owner.islower() and rest and rest[0]
    return owner.decode() if is_owner else ""


def version_of(key: bytes) -> int:
    """Return the version of the table to which a database key belongs."""
    return key[key.index(b"\0") + 1]


def shorten(key: str) -> str:
    """Quote a key for a message, truncated to 256 characters: gRPC limits the size of a status."""
    return repr(key) if len(key) <= 256 else f"{key[:253] + '…'!r} ({len(key)} characters)"


def describe(key: bytes) -> str:
    """Describe the entry of a database key for a message."""
    match key[:1]:
        case b"k":
            return f"snapshot {shorten(key[5:].decode(errors='replace'))} in keyspace number {key[1:5].hex()}"
        case b"i" | b"c":
            numbers = [int.from_bytes(key[at : at + 8], "big") for at in range(5, len(key), 8)]
            what = "identifier" if key[:1] == b"i" else "child of identifier"
            return f"{what} {' '.join(map(str, numbers))}"
        case b"s":
            return f"keyspace {key[1:].decode(errors='replace').partition(chr(0))[2]!r}"
        case b"t" if owner := owner_of(key):
            shown = key[len(table_prefix(owner, 0)) :].decode(errors="replace")
            return f"entry {shorten(shown)} of {owner}"
        case _:
            return f"entry {key.decode(errors='replace')!r}"
