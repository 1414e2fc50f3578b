"""Archives with random damage are read, or refused; there is no third way."""

from __future__ import annotations

import contextlib
import gzip
import random

import pytest
import zstandard

from lamina.errdefs import InvalidArgument
from tests.support.rounds import rounds
from tests.support.tar import (
    BLOCK,
    END,
    GNU,
    LARGEST,
    base_256,
    extended,
    file,
    header,
    octal,
    padded,
    pax,
    read,
)

SPARSE_1_0 = (
    (b"GNU.sparse.major", b"1"),
    (b"GNU.sparse.minor", b"0"),
    (b"GNU.sparse.name", b"file"),
    (b"GNU.sparse.realsize", b"5000"),
)
SPARSE_0_1 = ((b"GNU.sparse.size", b"5000"), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", b"4000,5"))
OLD_SPARSE = bytes(41) + octal(4000, 12) + octal(5, 12) + bytes(73) + octal(5000, 12)
ARCHIVES = [
    file(b"a", b"x" * 1000) + header(b"d/", b"5") + header(b"s", b"2", link=b"t") + header(b"c", b"3") + END,
    extended(b"L", b"n" * 200 + b"\0") + extended(b"K", b"l" * 200 + b"\0") + header(type_=b"1", magic=GNU) + END,
    pax((b"path", b"p/q"), (b"size", b"600"), (b"mtime", b"1.5"), (b"SCHILY.xattr.user.a", b"b\n="))
    + header()
    + padded(b"q" * 600)
    + END,
    header(uid=base_256(99999, 8), mtime=base_256(-5, 12), rest=b"prefix") + file(b"next") + END,
    header(type_=b"S", size=5, magic=GNU, rest=OLD_SPARSE) + padded(b"hello") + END,
    pax(*SPARSE_0_1) + file(b"file", b"hello") + END,
    pax(*SPARSE_1_0) + file(b"other", padded(b"1\n4000\n5\n") + b"hello") + END,
]
FIELDS = [(0, 100), (100, 8), (108, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (329, 8), (345, 155)]
FIELDS += [(386, 12), (398, 12), (482, 1), (483, 12)]
PACKERS = (gzip.compress, zstandard.ZstdCompressor(write_checksum=False).compress)


def with_checksum(block: bytes) -> bytes:
    blank = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(blank) + block[156:]


def damage(data: bytes, choose: random.Random) -> bytes:
    """Change a field of a header, which gets a right checksum, or a byte; leave a block out, append, or cut."""
    at = choose.randrange(len(data) // BLOCK) * BLOCK
    block = data[at : at + BLOCK]
    kind = choose.randrange(6)
    if kind < 2:
        start, width = choose.choice(FIELDS)
        values = (base_256(choose.choice((-1, 1 << 63, (1 << 63) - 1)), 12), octal(choose.randrange(2000), 12))
        value = choose.choice((*values, bytes(width), choose.randbytes(width)))[-width:].rjust(width, b"0")
        return data[:at] + with_checksum(block[:start] + value + block[start + width :]) + data[at + BLOCK :]
    if kind == 2:
        place = choose.randrange(len(data))
        return data[:place] + bytes([choose.choice(b"\n= 0123456789,-.\0\xff")]) + data[place + 1 :]
    if kind == 3:
        return data[:at] + data[at + BLOCK :]
    if kind == 4:
        return data[:at] + choose.choice(ARCHIVES)
    return data[: choose.randrange(len(data))]


@pytest.mark.parametrize("seed", range(rounds(4, 400)))
def test_a_damaged_archive_is_read_or_refused(seed: int) -> None:
    choose = random.Random(seed)
    for _ in range(1000):
        data = choose.choice(ARCHIVES)
        for _ in range(choose.choice((1, 1, 2, 3))):
            data = damage(data, choose) if len(data) >= BLOCK else data
        read_or_refuse(data)


@pytest.mark.parametrize("seed", range(rounds(2, 200)))
def test_a_damaged_compressed_archive_is_read_or_refused(seed: int) -> None:
    choose = random.Random(seed)
    for _ in range(1000):
        data = bytearray(choose.choice(PACKERS)(choose.choice(ARCHIVES)))
        for _ in range(choose.choice((1, 1, 2, 3))):
            data[choose.randrange(4, len(data))] ^= 1 << choose.randrange(8)
        read_or_refuse(bytes(data))


def read_or_refuse(data: bytes) -> None:
    """Read an archive, which must end or be refused, and must not give less data than it announces."""
    with contextlib.suppress(InvalidArgument):
        archived = read(data)
        pairs = zip(archived.entries, archived.data, strict=True)
        assert all(len(content) == entry.size for entry, content in pairs if entry.size <= LARGEST)
