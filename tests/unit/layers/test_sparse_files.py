"""Files with holes."""

from __future__ import annotations

import os

import pytest

from lamina.errdefs import InvalidArgument
from lamina.layers import TarReader, open_layer
from tests.support.tar import BLOCK, END, GNU, base_256, header, octal, opened, padded, pax, read

SIZE = 10_000
EXTENTS = ((0, 512), (4096, 1000), (9990, 10))
DATA = b"a" * 512 + b"b" * 1000 + b"c" * 10
CONTENT = (b"a" * 512).ljust(4096, b"\0") + (b"b" * 1000).ljust(5894, b"\0") + b"c" * 10
NEXT = header(b"next")


def old_gnu(size: int, extents: tuple[tuple[int, int], ...], data: bytes, *, base: bool = False) -> bytes:
    """A file in GNU tar's old format: 4 extents in the header, and 21 in each block that follows."""
    fields = [_pair(offset, length, base=base) for offset, length in extents]
    head, more = fields[:4], fields[4:]
    rest = bytes(41) + b"".join(head).ljust(96, b"\0") + bytes([bool(more)]) + octal(size, 12)
    archive = header(b"file", b"S", size=len(data), magic=GNU, rest=rest)
    for at in range(0, len(more), 21):
        block = b"".join(more[at : at + 21]).ljust(504, b"\0") + bytes([at + 21 < len(more)])
        archive += block.ljust(BLOCK, b"\0")
    return archive + padded(data)


def _pair(offset: int, length: int, *, base: bool) -> bytes:
    encode = base_256 if base else octal
    return encode(offset, 12) + encode(length, 12)


def pax_0_0(size: int, extents: tuple[tuple[int, int], ...], data: bytes) -> bytes:
    pairs = [
        record
        for offset, length in extents
        for record in ((b"GNU.sparse.offset", b"%d" % offset), (b"GNU.sparse.numbytes", b"%d" % length))
    ]
    records = ((b"GNU.sparse.size", b"%d" % size), (b"GNU.sparse.numblocks", b"%d" % len(extents)), *pairs)
    return pax(*records) + header(b"file", size=len(data)) + padded(data)


def pax_0_1(size: int, extents: tuple[tuple[int, int], ...], data: bytes) -> bytes:
    numbers = b",".join(b"%d,%d" % extent for extent in extents)
    records = (
        (b"GNU.sparse.size", b"%d" % size),
        (b"GNU.sparse.numblocks", b"%d" % len(extents)),
        (b"GNU.sparse.name", b"file"),
        (b"GNU.sparse.map", numbers),
    )
    return pax(*records) + header(b"GNUSparseFile.0/file", size=len(data)) + padded(data)


def pax_1_0(size: int, extents: tuple[tuple[int, int], ...], data: bytes) -> bytes:
    lines = b"%d\n" % len(extents) + b"".join(b"%d\n%d\n" % extent for extent in extents)
    stored = padded(lines) + data
    records = (
        (b"GNU.sparse.major", b"1"),
        (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", b"file"),
        (b"GNU.sparse.realsize", b"%d" % size),
    )
    return pax(*records) + header(b"GNUSparseFile.0/file", size=len(stored)) + padded(stored)


FORMATS = (old_gnu, pax_0_0, pax_0_1, pax_1_0)
formats = pytest.mark.parametrize("form", FORMATS)


@formats
def test_a_file_with_holes_is_read(form) -> None:
    archived = read(form(SIZE, EXTENTS, DATA) + NEXT + END)
    entry, following = archived.entries
    assert (entry.name, entry.size, entry.extents) == (b"file", SIZE, EXTENTS)
    assert archived.data[0] == CONTENT
    assert (following.name, following.extents) == (b"next", None)


@formats
def test_the_data_may_be_passed_over(form) -> None:
    data = form(SIZE, EXTENTS, DATA) + NEXT + END
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        assert [entry.name for entry in TarReader(stream)] == [b"file", b"next"]


@formats
def test_the_data_is_read_with_zeros_for_holes(form) -> None:
    data = form(SIZE, EXTENTS, DATA) + END
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        reader = TarReader(stream)
        next(reader)
        assert reader.read(SIZE) == CONTENT


@formats
def test_holes_stay_holes(form, tmp_path) -> None:
    data = form(1 << 30, ((1 << 29, 5),), b"hello") + END
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream, (tmp_path / "file").open("wb") as file:
        reader = TarReader(stream)
        next(reader)
        reader.copy_to(file.fileno())
        status = os.fstat(file.fileno())
    assert (status.st_size, status.st_blocks * 512 < 1 << 20) == (1 << 30, True)


@formats
def test_a_file_may_be_one_hole(form) -> None:
    archived = read(form(SIZE, ((SIZE, 0),), b"") + NEXT + END)
    assert (archived.entries[0].extents, archived.data[0]) == ((), bytes(SIZE))


@formats
def test_a_map_may_have_many_extents(form) -> None:
    extents = tuple((number * 1000, 1) for number in range(2000))
    archived = read(form(2_000_000, extents, b"x" * 2000) + NEXT + END)
    assert archived.entries[0].extents == extents
    assert archived.data[0].count(b"x") == 2000


@formats
@pytest.mark.parametrize(
    ("size", "extents"),
    [
        (SIZE, ((100, 10), (50, 10))),  # descending
        (SIZE, ((100, 10), (105, 10))),  # overlapping
        (100, ((0, 10), (95, 10))),  # beyond the end
        (100, ((0, 10), (1 << 60, 10))),
        (SIZE, ((0, 10),)),  # fewer than the archive has
        (SIZE, ((0, 30),)),  # more
    ],
)
def test_a_map_that_does_not_fit_is_refused(form, size: int, extents: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InvalidArgument, match=r"'file' at byte \d+: its sparse data"):
        read(form(size, extents, b"x" * 20) + END)


@pytest.mark.parametrize("number", [-1, 1 << 63, -(1 << 80)])
def test_numbers_in_base_256_that_do_not_fit_are_refused(number: int) -> None:
    with pytest.raises(InvalidArgument, match="sparse data"):
        read(old_gnu(SIZE, ((number, 10),), b"x" * 10, base=True) + END)


def test_numbers_of_the_old_format_may_be_in_base_256() -> None:
    assert read(old_gnu(SIZE, EXTENTS, DATA, base=True) + END).data == [CONTENT]


def pax_map(text: bytes, stored: bytes = b"") -> bytes:
    records = ((b"GNU.sparse.size", b"100"), (b"GNU.sparse.map", text))
    return pax(*records) + header(b"file", size=len(stored)) + padded(stored)


@pytest.mark.parametrize("text", [b"1", b"1,2,3", b"a,b", b"-1,2", b",", b"1,,2", b"99999999999999999999,1"])
def test_a_malformed_map_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidArgument, match="sparse data"):
        read(pax_map(text) + END)


@pytest.mark.parametrize(
    "lines", [b"x\n", b"\n", b"-1\n", b"1\n5\n", b"1\n\n\n", b"9" * 2000, b"200000\n" + b"0\n" * 400_000]
)
def test_a_malformed_map_before_the_data_is_refused(lines: bytes) -> None:
    records = ((b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.realsize", b"100"))
    with pytest.raises(InvalidArgument, match="sparse data"):
        read(pax(*records) + header(b"file", size=len(padded(lines))) + padded(lines) + END)


@pytest.mark.parametrize("count", [b"1", b"3", b"x", b"-2"])
def test_a_map_without_as_many_parts_as_announced_is_refused(count: bytes) -> None:
    records = ((b"GNU.sparse.size", b"100"), (b"GNU.sparse.numblocks", count), (b"GNU.sparse.map", b"0,0,100,0"))
    with pytest.raises(InvalidArgument, match="parts"):
        read(pax(*records) + header(b"file") + END)


@pytest.mark.parametrize("more", [(), ((b"GNU.sparse.numblocks", b"0"), (b"GNU.sparse.map", b""))])
def test_sparse_data_without_a_map_is_refused(more: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(InvalidArgument, match="its sparse data has no map"):
        read(pax((b"GNU.sparse.size", b"100"), *more) + header(b"file") + END)


@formats
def test_the_data_of_a_sparse_file_is_used_once(form) -> None:
    data = form(SIZE, EXTENTS, DATA) + NEXT + END
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        reader = TarReader(stream)
        next(reader)
        reader.read(SIZE)
        with pytest.raises(ValueError, match="used before"):
            reader.read(SIZE)
        assert next(reader).name == b"next"


@pytest.mark.parametrize("version", [(b"2", b"0"), (b"1", b"1"), (b"1", None), (None, b"1")])
def test_an_unknown_version_is_refused(version: tuple[bytes | None, bytes | None]) -> None:
    keys = (b"GNU.sparse.major", b"GNU.sparse.minor")
    records = [(key, part) for key, part in zip(keys, version, strict=True) if part]
    with pytest.raises(InvalidArgument, match="its sparse format"):
        read(pax(*records) + header() + END)


def test_only_files_are_sparse() -> None:
    records = ((b"GNU.sparse.size", b"100"), (b"GNU.sparse.map", b"0,0"))
    with pytest.raises(InvalidArgument, match="a directory with sparse data"):
        read(pax(*records) + header(type_=b"5") + END)


def test_offsets_and_lengths_alternate() -> None:
    with pytest.raises(InvalidArgument, match="alternate"):
        read(pax((b"GNU.sparse.offset", b"0"), (b"GNU.sparse.offset", b"1")) + header() + END)


def test_an_endless_map_of_the_old_format_is_refused() -> None:
    first = old_gnu(1 << 40, ((0, 0),) * 5, b"")[:BLOCK]
    more = (_pair(0, 0, base=False) * 21 + b"\1").ljust(BLOCK, b"\0")
    with pytest.raises(InvalidArgument, match="more than 131072 parts"):
        read(first + more * 6300)
