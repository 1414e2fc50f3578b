"""Tar archives for tests, byte by byte, and what the reader makes of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from lamina.layers import Entry, TarReader, open_layer

BLOCK = 512
LARGEST = 1 << 26
"""Bytes of the largest file whose data is kept."""
END = bytes(2 * BLOCK)
"""The end of an archive."""
USTAR, GNU, OLD = b"ustar\x0000", b"ustar  \0", bytes(8)
"""Magic number and version of the formats."""


def octal(value: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, value)


def base_256(value: int, width: int) -> bytes:
    """A number as GNU tar writes it where octal does not suffice: the first bit set, then two's complement."""
    field = bytearray((value & (1 << 8 * width) - 1).to_bytes(width, "big"))
    field[0] |= 0x80
    return bytes(field)


def header(
    name: bytes = b"file",
    type_: bytes = b"0",
    *,
    mode: bytes = b"0000644\0",
    uid: bytes = octal(0, 8),
    gid: bytes = octal(0, 8),
    size: int | bytes = 0,
    mtime: bytes = octal(0, 12),
    link: bytes = b"",
    magic: bytes = USTAR,
    major: bytes = octal(0, 8),
    minor: bytes = octal(0, 8),
    rest: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    """A header. `rest` is what follows the device number: in ustar, the prefix of the name."""
    field = octal(size, 12) if isinstance(size, int) else size
    before = name.ljust(100, b"\0") + mode + uid + gid + field + mtime
    after = type_ + link.ljust(100, b"\0") + magic + bytes(64) + major + minor + rest.ljust(167, b"\0")
    block = before + b" " * 8 + after
    assert len(block) == BLOCK
    return before + (b"%06o\0 " % sum(block) if checksum is None else checksum) + after


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def file(name: bytes, data: bytes = b"", **fields: bytes) -> bytes:
    """A regular file with its data."""
    return header(name, size=len(data), **fields) + padded(data)


def extended(type_: bytes, data: bytes) -> bytes:
    """A header that says something about the next one, with its data."""
    return header(b"extended", type_, size=len(data)) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    """A record of an extended header, with its own length in front."""
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body


def pax(*records: tuple[bytes, bytes], type_: bytes = b"x") -> bytes:
    """An extended header with records."""
    return extended(type_, b"".join(record(key, value) for key, value in records))


@attrs.frozen
class Archived:
    """What the reader makes of an archive."""

    entries: list[Entry]
    data: list[bytes]
    digest: str

    @property
    def names(self) -> list[bytes]:
        return [entry.name for entry in self.entries]


@contextmanager
def opened(data: bytes) -> Iterator[int]:
    """A descriptor of a file with that content."""
    fd = os.memfd_create("test")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        yield fd
    finally:
        os.close(fd)


def read(data: bytes) -> Archived:
    """Read an archive, plain or compressed, with the data of its files, unless they are larger than `LARGEST`."""
    with opened(data) as fd, open_layer(fd, size=len(data)) as stream:
        reader = TarReader(stream)
        entries, contents = [], []
        for entry in reader:
            entries.append(entry)
            contents.append(_content(reader) if 0 < entry.size <= LARGEST else b"")
        return Archived(entries, contents, reader.digest)


def read_one(data: bytes) -> Entry:
    """Read an archive that has one entry."""
    (entry,) = read(data).entries
    return entry


def _content(reader: TarReader) -> bytes:
    fd = os.memfd_create("test")
    try:
        reader.copy_to(fd)
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)
