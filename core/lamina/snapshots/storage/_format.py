"""The form of entries and records, for code that runs without the rest of lamina (`_check`)."""

from __future__ import annotations

import struct
from typing import Final
from zlib import crc32

SCHEMA: Final = 3
"""The version that this code reads and writes. A store of a lower one is migrated, one of a higher one refused."""

MARK: Final = b"\xff\xff"
"""Begins a value with a checksum. UTF-8 has no such byte, and neither numbers nor kinds are so large."""
SIZE: Final = 4
"""Bytes of a CRC-32."""
RESIDUE: Final = 0x2144DF1C
"""The CRC-32 of anything that is followed by its own CRC-32, little-endian."""

DATABASE_KEY_LIMIT: Final = 511
"""MDB_MAXKEYSIZE, as LMDB is built by default (lmdb.h, mdb_env_get_maxkeysize)."""
DIGEST: Final = 32
"""Bytes of a SHA-256 digest."""
SHARED: Final = DATABASE_KEY_LIMIT - DIGEST
"""How many leading bytes of a long key its database key keeps."""

HEAD: Final = struct.Struct(">BQIIqIqIqqIIII")
"""The head of a record, which parent ids and message follow. Kind, id, number of parents, length of the message;
created and updated (seconds, nanoseconds: a Go zero time does not fit 64 bits of nanoseconds), size, inodes; where
in the message the name begins, the lengths of name and parent, and where the labels begin."""


UPDATED: Final = slice(29, 41)
"""Where the time of the last change is in a record: of two, the later one has the greater bytes."""


def is_intact(key: bytes, data: bytes) -> bool:
    """Whether what is stored under a key is what was stored there, as far as that can be seen."""
    if data[:2] == MARK:
        return crc32(key + data) == RESIDUE
    return b"\xff" not in data[:2]


def value_in(data: bytes) -> bytes:
    """The value in what is stored, which is intact."""
    return data[2:-SIZE] if data[:2] == MARK else data


def shorten(key: str) -> str:
    """A key in quotes for a message, cut where it is over 256 characters: gRPC limits a status message."""
    return f'"{key}"' if len(key) <= 256 else f'"{key[:253]}…" ({len(key)} characters)'


def describe(key: bytes) -> str:
    """The entry of a database key, for a message."""
    match key[:1]:
        case b"k":
            return f"snapshot {shorten(key[5:].decode(errors='replace'))} in keyspace number {key[1:5].hex()}"
        case b"i" | b"c":
            numbers = [int.from_bytes(key[at : at + 8], "big") for at in range(5, len(key), 8)]
            what = "identifier" if key[:1] == b"i" else "child of identifier"
            return f"{what} {' '.join(map(str, numbers))}"
        case b"s":
            return f"keyspace {key[1:].decode(errors='replace').partition(chr(0))[2]!r}"
        case _:
            return f"entry {key.decode(errors='replace')!r}"
