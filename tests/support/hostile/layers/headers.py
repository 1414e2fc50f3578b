"""Layers whose headers lie."""

from __future__ import annotations

import gzip
from typing import Final

from tests.support.hostile.layers.archive import (
    BLOCK,
    END,
    Corpus,
    archive,
    base256,
    blocks,
    directory,
    extended,
    file,
    hard_link,
    header,
    padded,
    record,
    symlink,
)

HEADERS: Final = Corpus()
SPARSE: Final = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", b"sparse"))


def _sparse(size: int, text: bytes) -> bytes:
    data = padded(text) + bytes(BLOCK)
    records = b"".join(record(*pair) for pair in SPARSE) + record(b"GNU.sparse.realsize", b"%d" % size)
    return blocks(extended(records), header(size=b"%011o\0" % len(data)), data)


@HEADERS.refused
def size_of_eight_exbibytes(_: str) -> bytes:
    return blocks(header(size=base256(1 << 63)), b"data")


@HEADERS.refused
def size_just_below_eight_exbibytes(_: str) -> bytes:
    return blocks(header(size=base256((1 << 63) - 1)), b"data")


@HEADERS.refused
def negative_size(_: str) -> bytes:
    return blocks(header(size=b"\xff" * 12), header(b"second"))


@HEADERS.refused
def size_that_is_no_number(_: str) -> bytes:
    return blocks(header(size=b"-0000000001\0"))


@HEADERS.layer
def negative_time(_: str) -> bytes:
    return blocks(header(mtime=b"\xff" * 12))


@HEADERS.layer
def time_after_the_end_of_time(_: str) -> bytes:
    return blocks(header(mtime=base256(1 << 80)))


@HEADERS.refused
def negative_owner(_: str) -> bytes:
    return blocks(header(uid=b"\xff" * 8))


@HEADERS.refused
def owner_beyond_32_bits(_: str) -> bytes:
    return blocks(header(uid=base256(1 << 40, 8)))


@HEADERS.layer
def owner_that_means_no_change(_: str) -> bytes:
    """chown(2) takes 2^32-1 for "leave it as it is"."""
    return blocks(header(uid=base256((1 << 32) - 1, 8)))


@HEADERS.refused
def wrong_checksum(_: str) -> bytes:
    return blocks(header(checksum=b"000001\0 "))


@HEADERS.layer
def type_that_nobody_knows(_: str) -> bytes:
    return blocks(header(type_=b"Z"))


@HEADERS.layer
def mode_with_all_bits(_: str) -> bytes:
    return blocks(header(mode=b"7777777\0"))


@HEADERS.refused
def device_beyond_32_bits(_: str) -> bytes:
    return blocks(header(type_=b"3", device=base256(1 << 40, 8) * 2))


@HEADERS.refused
def record_without_an_end(_: str) -> bytes:
    return blocks(extended(b"30 path=short\n"), header())


@HEADERS.refused
def record_of_no_length(_: str) -> bytes:
    return blocks(extended(b"0 path=x\n" * 3), header())


@HEADERS.refused
def record_of_negative_length(_: str) -> bytes:
    return blocks(extended(b"-9 path=x\n"), header())


@HEADERS.refused
def record_with_a_nul_in_the_path(_: str) -> bytes:
    return blocks(extended(record(b"path", b"plain\0/../../x")), header())


@HEADERS.layer
def record_with_a_size_that_differs(_: str) -> bytes:
    """A reader that trusts the header takes the hidden data for an entry."""
    hidden = header(b"hidden", type_=b"5")
    return blocks(extended(record(b"size", b"%d" % BLOCK)), header(size=b"%011o\0" % 0), hidden)


@HEADERS.layer
def global_record_that_names_every_file(_: str) -> bytes:
    return blocks(extended(record(b"path", b"../../hostile"), type_=b"g"), header(b"one"), header(b"two"))


@HEADERS.refused
def long_name_without_an_entry(_: str) -> bytes:
    return blocks(header(b"././@LongLink", type_=b"L", size=b"%011o\0" % 5), padded(b"name\0"))


@HEADERS.refused
def sparse_data_beyond_the_size(_: str) -> bytes:
    return _sparse(10, b"1\n100\n512\n")


@HEADERS.refused
def sparse_extents_that_overlap(_: str) -> bytes:
    return _sparse(1000, b"2\n0\n300\n100\n212\n")


@HEADERS.refused
def sparse_extents_without_end(_: str) -> bytes:
    return _sparse(1000, b"99999999999\n0\n1\n")


@HEADERS.refused
def sparse_extents_that_are_negative(_: str) -> bytes:
    return _sparse(1000, b"1\n-5\n512\n")


@HEADERS.refused
def name_with_a_component_too_long(_: str) -> bytes:
    return archive(file("n" * 300))


@HEADERS.layer
def name_longer_than_path_max(_: str) -> bytes:
    return archive(file("/".join(["directory"] * 600)))


@HEADERS.layer
def empty_name(_: str) -> bytes:
    return blocks(header(b""))


@HEADERS.layer
def names_that_are_not_text(_: str) -> bytes:
    return blocks(header(b"\xff\xfe\n\x1b[2J"), header(b"a\tb\\c"))


@HEADERS.refused
def symlink_to_nothing(_: str) -> bytes:
    return archive(symlink("empty", ""))


@HEADERS.refused
def symlink_to_a_name_too_long(_: str) -> bytes:
    return archive(symlink("long", "x/" * 3000))


@HEADERS.refused
def hard_link_to_a_later_entry(_: str) -> bytes:
    return archive(hard_link("early", "late"), file("late"))


@HEADERS.layer
def hard_link_to_itself(_: str) -> bytes:
    return archive(file("self"), hard_link("self", "self"), hard_link("plain", "plain"))


@HEADERS.refused
def hard_link_to_a_directory(_: str) -> bytes:
    return archive(directory("d"), hard_link("name", "d"))


@HEADERS.layer
def names_many_times(_: str) -> bytes:
    members = []
    for number in range(300):
        members += [file("x", b"%d" % number), directory("x"), file(f"x/{number}"), symlink("x", "d")]
    return archive(*members)


@HEADERS.refused
def data_after_a_gzip_member(_: str) -> bytes:
    return gzip.compress(archive(file("new"))) + b"not a member"


@HEADERS.refused
def archive_cut_within_a_gzip_member(_: str) -> bytes:
    return gzip.compress(archive(file("new", bytes(range(256)) * 100)))[:-30]


@HEADERS.layer
def data_after_the_end(_: str) -> bytes:
    return archive(file("new")) + header(b"after") + END


@HEADERS.layer
def no_archive_at_all(_: str) -> bytes:
    return b"#!/bin/sh\nexit 0\n".ljust(BLOCK, b" ") * 3
