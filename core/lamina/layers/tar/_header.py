"""The headers of a tar archive: blocks of 512 bytes.

The formats are POSIX ustar and pax (IEEE Std 1003.1, `pax`), GNU tar's (`tar` manual, "Basic Tar Format"), that of
7th Edition Unix, without a magic number, and star's.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import Final

from lamina.layers._entry import Entry, EntryType
from lamina.layers.tar._malformed import Malformed

BLOCK: Final = 512
"""Bytes of a header, of which data fills a multiple."""
MAX_NAME: Final = 4096
"""Bytes in a path or in the target of a link (Linux, PATH_MAX)."""
MAX_ID: Final = (1 << 32) - 2
"""The largest uid and gid. The next number means "leave it as it is" to chown(2)."""
MAX_SIZE: Final = (1 << 63) - 1
SECOND: Final = 1_000_000_000
_MAX_SECONDS: Final = 1 << 63
"""Times lie in a signed integer of 64 bits, as the kernel's do."""

_FIELDS: Final = struct.Struct("100s8s8s8s12s12s8xc100s8s64x8s8s155s12x")
"""name, mode, uid, gid, size, mtime, typeflag, linkname, magic with version, devmajor, devminor, prefix."""
_CHECKSUM: Final = slice(148, 156)
_TYPEFLAG: Final = slice(156, 157)
USTAR: Final = b"ustar\0"
_GNU: Final = b"ustar  \0"
_STAR_MAGIC: Final = b"tar\0"
_STAR: Final = slice(508, 512)
"""Where star has its magic number; ustar has zeros."""
_STAR_ATIME: Final = slice(476, 488)
_SPACES: Final = 8 * 0x20
"""The sum of the checksum field while the checksum is made: as if it were blank."""

_TYPES: Final = {
    b"0": EntryType.FILE,
    b"\0": EntryType.FILE,  # 7th Edition
    b"7": EntryType.FILE,  # contiguous
    b"S": EntryType.FILE,  # GNU, sparse
    b"1": EntryType.HARD_LINK,
    b"2": EntryType.SYMLINK,
    b"3": EntryType.CHARACTER_DEVICE,
    b"4": EntryType.BLOCK_DEVICE,
    b"5": EntryType.DIRECTORY,
    b"6": EntryType.FIFO,
}


def check_block(buffer: bytes, at: int) -> None:
    """Verify the checksum of the header at an offset.

    Raises:
        Malformed: The checksum is wrong.
    """
    total = byte_sum(buffer, at)
    field = buffer[at + _CHECKSUM.start : at + _CHECKSUM.stop]
    stored = number(field, "checksum")
    if stored == total - sum(field) + _SPACES:
        return
    # Some old programs added the bytes as signed numbers.
    block = bytearray(buffer[at : at + BLOCK])
    block[_CHECKSUM] = b" " * 8
    if stored != sum(block) - 256 * sum(byte > 127 for byte in block):
        raise Malformed("the checksum of the header is wrong")


def byte_sum(buffer: bytes, at: int) -> int:
    """Return the sum of the bytes of the block at an offset."""
    # adler32 adds up to 257 bytes without a carry over its modulus, 65521, in a tenth of the time of `sum`.
    middle = at + BLOCK // 2
    return (zlib.adler32(buffer[at:middle]) & 0xFFFF) + (zlib.adler32(buffer[middle : at + BLOCK]) & 0xFFFF) - 2


def typeflag(buffer: bytes, at: int) -> bytes:
    """Return the type of the header at an offset, one byte."""
    return buffer[at + _TYPEFLAG.start : at + _TYPEFLAG.stop]


def stored_size(buffer: bytes, at: int) -> int:
    """Return the size in the header at an offset, in bytes.

    Raises:
        Malformed: It is no number, negative, or too large.
    """
    return _within(number(buffer[at + 124 : at + 136], "size"), "size", MAX_SIZE)


def parse_entry(buffer: bytes, at: int) -> Entry:
    """Return what the header at an offset says about a file.

    The size of a file is that of its data in the archive; for other types it is 0, whatever the header says.

    Raises:
        Malformed: A field is malformed.
    """
    name, mode, uid, gid, size, mtime, flag, link, magic, major, minor, prefix = _FIELDS.unpack_from(buffer, at)
    type_ = _TYPES.get(flag)
    if type_ is None:
        raise Malformed(f"its type, {flag!r}, is none that image layers have")
    entry = Entry(
        text(name),
        type_,
        _within(number(mode, "mode"), "mode", MAX_SIZE) & 0o7777,
        _within(number(uid, "uid"), "uid", MAX_ID),
        _within(number(gid, "gid"), "gid", MAX_ID),
        _within(number(size, "size"), "size", MAX_SIZE) if type_ is EntryType.FILE else 0,
        seconds(number(mtime, "mtime")),
    )
    if link[0]:
        entry.link = text(link)
    if magic == _GNU or magic.startswith(USTAR):
        if type_ is EntryType.CHARACTER_DEVICE or type_ is EntryType.BLOCK_DEVICE:
            entry.device = _device(number(major, "major number"), number(minor, "minor number"))
        if prefix[0] or buffer[at + _STAR.start]:
            _read_rest(entry, magic, prefix, buffer[at + _STAR_ATIME.start : at + BLOCK])
    return entry


def _read_rest(entry: Entry, magic: bytes, prefix: bytes, end: bytes) -> None:
    """Read the last 167 bytes, which differ between the formats."""
    if magic == _GNU:
        try:
            if prefix[0]:
                number(prefix[12:24], "ctime")
                entry.atime = seconds(number(prefix[:12], "atime"))
        except Malformed:
            # Go before 1.8, and Docker with it, wrote the prefix of ustar here.
            if (name := text(prefix)).isascii():
                entry.name = name + b"/" + entry.name
        return
    if end.endswith(_STAR_MAGIC):
        entry.atime = seconds(number(end[:12], "atime"))
        prefix = prefix[:131]
    if prefix[0]:
        entry.name = text(prefix) + b"/" + entry.name


def text(field: bytes) -> bytes:
    """Return the bytes of a field up to its first NUL."""
    return field.partition(b"\0")[0]


def number(field: bytes, what: str) -> int:
    """Return the number in a field: octal digits, or base 256 with the first bit set, as GNU tar and star have it.

    Args:
        field: The bytes of the field.
        what: The name of the field, for the message.

    Raises:
        Malformed: The field is neither.
    """
    digits = field.strip(b" \0")
    if digits.isdigit():
        try:
            return int(digits, 8)
        except ValueError as error:
            raise Malformed(f"the {what}, {digits!r}, is not octal") from error
    if not digits:
        return 0
    if field[0] & 0x80:
        return _base_256(field)
    digits = digits.partition(b"\0")[0].rstrip(b" ")
    if not digits.isdigit():
        raise Malformed(f"the {what}, {field!r}, is not a number")
    return number(digits, what)


def _base_256(field: bytes) -> int:
    """Return a binary number: two's complement, big-endian, in all bits but the first."""
    bits = 8 * len(field) - 1
    value = int.from_bytes(field, "big") & (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def seconds(value: int) -> int:
    """Return a time in seconds as nanoseconds.

    Raises:
        Malformed: The kernel has no such time.
    """
    if not -_MAX_SECONDS <= value < _MAX_SECONDS:
        raise Malformed(f"the time, {value} seconds since 1970, is out of range")
    return value * SECOND


def _within(value: int, what: str, limit: int) -> int:
    if 0 <= value <= limit:
        return value
    raise Malformed(f"the {what}, {value}, is {'negative' if value < 0 else f'more than {limit}'}")


def _device(major: int, minor: int) -> int:
    """Return a device number. Linux has 12 bits for the major number, and 20 for the minor one."""
    return os.makedev(_within(major, "major number", (1 << 12) - 1), _within(minor, "minor number", (1 << 20) - 1))
