"""The headers of a tar archive: blocks of 512 bytes.

The formats are POSIX ustar and pax (IEEE Std 1003.1, `pax`), GNU tar's (`tar` manual, "Basic Tar Format"), that of
7th Edition Unix, without a magic number, and star's.
"""

from __future__ import annotations

import functools
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

_FIELDS: Final = struct.Struct("100s24s12s12s8xc100x8s247x")
"""name, mode with uid and gid, size, mtime, typeflag, magic with version."""
_LINK: Final = 157
"""The offset of linkname, 100 bytes."""
_DEVICE: Final = slice(329, 345)
"""devmajor and devminor."""
_PREFIX: Final = 345
"""The offset of prefix, 155 bytes."""
_REPEATED: Final = 1024
"""The fields whose numbers are remembered: most entries have the owner, the mode and the time of others."""
_CHECKSUM: Final = slice(148, 156)
TYPEFLAG: Final = 156
"""The offset of the type, one byte."""
USTAR: Final = b"ustar\0"
_GNU: Final = b"ustar  \0"
_STAR_MAGIC: Final = b"tar\0"
_STAR: Final = 508
"""The offset of star's magic number, four bytes; ustar has zeros."""
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
_FILE: Final = EntryType.FILE  # looked up once, since that takes longer than for other classes
_DEVICES: Final = frozenset({b"3", b"4"})


def check_block(block: bytes) -> None:
    """Verify the checksum of a header.

    Raises:
        Malformed: The checksum is wrong.
    """
    field = block[_CHECKSUM]
    if byte_sum(block) == _expected_sum(field):
        return
    # Some old programs added the bytes as signed numbers.
    blank = bytearray(block)
    blank[_CHECKSUM] = b" " * 8
    if number(field, "checksum") != sum(blank) - 256 * sum(byte > 127 for byte in blank):
        raise Malformed("the checksum of the header is wrong")


@functools.lru_cache(_REPEATED)
def _expected_sum(checksum: bytes) -> int:
    """Return the sum of all bytes of a header with that checksum, which takes its own bytes for spaces."""
    return number(checksum, "checksum") + sum(checksum) - _SPACES


def byte_sum(block: bytes) -> int:
    """Return the sum of the bytes of a block."""
    # adler32 takes a tenth of the time of `sum`. It adds up to its modulus, 65521, which 512 bytes of ASCII do not
    # reach, nor do 256 bytes of anything else.
    if block.isascii():
        return (zlib.adler32(block) & 0xFFFF) - 1
    middle = BLOCK // 2
    return (zlib.adler32(block[:middle]) & 0xFFFF) + (zlib.adler32(block[middle:]) & 0xFFFF) - 2


def stored_size(block: bytes) -> int:
    """Return the size in a header, in bytes.

    Raises:
        Malformed: It is not a number, negative, or too large.
    """
    return _within(number(block[124:136], "size"), "size", MAX_SIZE)


def parse_entry(block: bytes) -> Entry:
    """Return what a header says about a file.

    The size of a file is that of its data in the archive; for other types it is 0, whatever the header says.

    Raises:
        Malformed: A field is malformed.
    """
    name, ids, size, mtime, flag, magic = _FIELDS.unpack(block)
    type_ = _TYPES.get(flag)
    if type_ is None:
        raise Malformed(f"its type, {flag!r}, cannot be in an image layer")
    mode, uid, gid = _mode_and_owner(ids)
    bytes_ = _within(number(size, "size"), "size", MAX_SIZE) if type_ is _FILE else 0
    entry = Entry(text(name), type_, mode, uid, gid, bytes_, _mtime(mtime))
    if block[_LINK]:
        entry.link = text(block[_LINK : _LINK + 100])
    if magic == _GNU or magic.startswith(USTAR):
        if flag in _DEVICES:
            entry.device = _device(block[_DEVICE])
        if block[_PREFIX] or block[_STAR]:
            _read_rest(entry, magic, block[_PREFIX : _PREFIX + 155], block[_STAR_ATIME.start :])
    return entry


@functools.lru_cache(_REPEATED)
def _mode_and_owner(fields: bytes) -> tuple[int, int, int]:
    """Return the mode, the user and the group of three fields."""
    mode, uid, gid = number(fields[:8], "mode"), number(fields[8:16], "uid"), number(fields[16:], "gid")
    return _within(mode, "mode", MAX_SIZE) & 0o7777, _within(uid, "uid", MAX_ID), _within(gid, "gid", MAX_ID)


@functools.lru_cache(_REPEATED)
def _mtime(field: bytes) -> int:
    return seconds(number(field, "mtime"))


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


def _device(fields: bytes) -> int:
    """Return a device number. Linux has 12 bits for the major number, and 20 for the minor one."""
    major, minor = number(fields[:8], "major number"), number(fields[8:], "minor number")
    return os.makedev(_within(major, "major number", (1 << 12) - 1), _within(minor, "minor number", (1 << 20) - 1))
