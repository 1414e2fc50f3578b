"""Layers that want more than there is: of memory, of disk, of time."""

from __future__ import annotations

import gzip
from typing import Final

import zstandard

from tests.support.hostile.layers.archive import (
    END,
    Corpus,
    archive,
    blocks,
    directory,
    extended,
    file,
    header,
    padded,
    record,
    with_xattrs,
)

FLOODS: Final = Corpus()
MEBIBYTE: Final = 1 << 20


def _zeros(mebibytes: int) -> bytes:
    """A gzip file of a file of zeros: members of a mebibyte each, of a kilobyte, repeated."""
    head = gzip.compress(header(b"zeros", size=b"%011o\0" % (mebibytes * MEBIBYTE)))
    return head + gzip.compress(bytes(MEBIBYTE)) * mebibytes + gzip.compress(END)


@FLOODS.refused
def four_gibibytes_of_zeros(_: str) -> bytes:
    return _zeros(4096)


@FLOODS.refused
def four_gibibytes_of_zeros_by_zstd(_: str) -> bytes:
    compressor = zstandard.ZstdCompressor()
    frame = compressor.compress(bytes(64 * MEBIBYTE))
    return compressor.compress(header(b"zeros", size=b"%011o\0" % (4096 * MEBIBYTE))) + frame * 64


@FLOODS.refused
def window_of_two_gibibytes(_: str) -> bytes:
    """A frame of zstd that needs a window of 2 GiB (RFC 8878, section 3.1.1.1.2)."""
    return bytes.fromhex("28b52ffd") + bytes([0, 21 << 3, 1, 0, 0])


@FLOODS.refused
def a_million_entries(_: str) -> bytes:
    return gzip.compress(b"".join(header(b"f%d" % number) for number in range(1000))) * 1000


@FLOODS.refused
def a_million_extended_headers(_: str) -> bytes:
    return gzip.compress(extended(record(b"comment", b"x" * 400)) * 1000) * 1000


@FLOODS.refused
def extended_header_of_a_gibibyte(_: str) -> bytes:
    head = header(b"pax", type_=b"x", size=b"%011o\0" % (1024 * MEBIBYTE))
    return gzip.compress(head) + gzip.compress(bytes(MEBIBYTE)) * 1024


@FLOODS.refused
def long_name_of_a_gibibyte(_: str) -> bytes:
    head = header(b"././@LongLink", type_=b"L", size=b"%011o\0" % (1024 * MEBIBYTE))
    return gzip.compress(head) + gzip.compress(b"n" * MEBIBYTE) * 1024


@FLOODS.refused
def a_hundred_thousand_records(_: str) -> bytes:
    records = b"".join(record(b"SCHILY.xattr.user.a%d" % number, b"v") for number in range(100_000))
    return blocks(extended(records), header())


@FLOODS.refused
def attribute_larger_than_any_file_system_takes(_: str) -> bytes:
    return archive(with_xattrs(file("large"), {"user.large": "v" * 100_000}))


@FLOODS.layer
def sparse_file_of_an_exbibyte(_: str) -> bytes:
    data = padded(b"1\n0\n0\n")
    pairs = {b"major": b"1", b"minor": b"0", b"name": b"sparse", b"realsize": b"%d" % (1 << 60)}
    records = b"".join(record(b"GNU.sparse." + key, value) for key, value in pairs.items())
    return blocks(extended(records), header(size=b"%011o\0" % len(data)), data)


@FLOODS.layer
def directories_three_hundred_deep(_: str) -> bytes:
    return archive(
        *(directory("/".join(["d"] * depth)) for depth in range(1, 300)), file("/".join(["d"] * 299) + "/f")
    )


@FLOODS.layer
def empty_members_of_gzip(_: str) -> bytes:
    return gzip.compress(b"") * 100_000 + gzip.compress(archive(file("new")))
