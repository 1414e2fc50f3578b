"""The headers of a file, as `TarWriter` writes them.

They are those of POSIX ustar, and where these cannot say something, of pax (IEEE Std 1003.1, `pax`).
"""

from __future__ import annotations

import os
import re
from typing import Final

from lamina.errdefs import FailedPrecondition
from lamina.layers._entry import Entry, EntryType
from lamina.layers.tar._extensions import MAX_BYTES
from lamina.layers.tar._header import BLOCK, MAX_NAME, SECOND, USTAR, byte_sum
from lamina.layers.tar._pax import XATTR, Records, encode_records, format_time
from lamina.layers.tar._quoted import quoted

_FLAGS: Final = {
    EntryType.FILE: b"0",
    EntryType.HARD_LINK: b"1",
    EntryType.SYMLINK: b"2",
    EntryType.CHARACTER_DEVICE: b"3",
    EntryType.BLOCK_DEVICE: b"4",
    EntryType.DIRECTORY: b"5",
    EntryType.FIFO: b"6",
}
_PAX: Final = b"x"
_PAX_NAME: Final = b"././@PaxHeader"
"""The name of every extended header; those who know such headers ignore it."""
_PLAIN: Final = re.compile(rb"(?!BZh)[ -~]*")
"""Names that a ustar header can have. It has ASCII alone; and as the first bytes of an archive are a name, no
name begins like compressed data: gzip, zstd, xz and lz4 begin with control characters, or have some."""
_NAME: Final = 100
_PREFIX: Final = 155
"""Bytes of the fields for a name: the last part, and what precedes the slash before it."""
_NUMBERS: Final = b"%07o\0%07o\0%07o\0%011o\0%011o\0"
_DEVICE: Final = b"%07o\0%07o\0"
_NO_DEVICE: Final = _DEVICE % (0, 0)
_MAGIC: Final = USTAR + b"00" + bytes(32 + 32)
"""The fields `magic` and `version`, and the names of user and group."""
_BLANK: Final = b" " * 8
"""The checksum's own field while the checksum is computed."""
_MAX_ID: Final = 0o7777777
_MAX_NUMBER: Final = 0o77777777777
"""The largest numbers that fit into 7 and 11 octal digits."""


def encode_headers(entry: Entry, size: int) -> bytes:
    """Return the header of a file, preceded by an extended header if need be.

    Args:
        entry: The file.
        size: Bytes of its data in the archive.

    Raises:
        FailedPrecondition: Other programs could not read it: its path, the target of its link or its extended
            attributes are too long, or the name of an attribute has an equals sign.
    """
    records = _xattr_records(entry)
    path = _path(entry)
    prefix, name = _split(path)
    if not name:
        records[b"path"] = _checked(entry, path, "its path")
        name = _replacement(path)
    link = entry.link
    if not _fits(link):
        records[b"linkpath"] = _checked(entry, link, "the target of the link")
        link = _replacement(link)
    numbers = (
        entry.mode,
        _number(records, b"uid", entry.uid, _MAX_ID),
        _number(records, b"gid", entry.gid, _MAX_ID),
        _number(records, b"size", size, _MAX_NUMBER),
        _seconds(records, entry.mtime),
    )
    device = _DEVICE % (os.major(entry.device), os.minor(entry.device)) if entry.device else _NO_DEVICE
    header = _header(name, numbers, _FLAGS[entry.type], link, device, prefix)
    return _extended(entry, records) + header if records else header


def _path(entry: Entry) -> bytes:
    """Return the path of a file in the archive: that of a directory ends with a slash."""
    if entry.type is EntryType.DIRECTORY:
        return entry.name.removesuffix(b"/") + b"/"
    if not entry.name or entry.name.endswith(b"/"):
        raise ValueError(f"{entry.name!r} is not the path of a {entry.type.value}")
    return entry.name


def _split(path: bytes) -> tuple[bytes, bytes]:
    """Return the fields `prefix` and `name` of a path; both are b"" if they cannot hold it."""
    if _fits(path):
        return b"", path
    slash = path.find(b"/", max(1, len(path) - _NAME - 1), min(_PREFIX + 1, len(path) - 1))
    return (path[:slash], path[slash + 1 :]) if slash > 0 and _PLAIN.fullmatch(path) else (b"", b"")


def _fits(name: bytes) -> bool:
    return len(name) <= _NAME and _PLAIN.fullmatch(name) is not None


def _replacement(name: bytes) -> bytes:
    """Return the substitute in a header for a name that is in its extended header.

    It does not end with a slash, by which some programs know directories.
    """
    return re.sub(rb"[^ -~]", b"_", name[:_NAME]).rstrip(b"/") or b"_"


def _number(records: Records, key: bytes, value: int, limit: int) -> int:
    """Return the number for a field; one that is too large becomes a record, and 0 in the field."""
    if value <= limit:
        return value
    records[key] = b"%d" % value
    return 0


def _seconds(records: Records, time: int) -> int:
    """Return a time for a field, in whole seconds; one that does not fit becomes a record."""
    seconds, rest = divmod(time, SECOND)
    if not rest and 0 <= seconds <= _MAX_NUMBER:
        return seconds
    records[b"mtime"] = format_time(time)
    return min(max(seconds, 0), _MAX_NUMBER)


def _xattr_records(entry: Entry) -> Records:
    for name in entry.xattrs:
        if b"=" in name:
            raise FailedPrecondition(
                f"{quoted(entry.name)} has the extended attribute {quoted(name)}, whose name a tar archive cannot "
                "hold because of its equals sign; remove it (setfattr -x)"
            )
    return {XATTR + name: value for name, value in entry.xattrs.items()}


def _checked(entry: Entry, name: bytes, what: str) -> bytes:
    if len(name) > MAX_NAME:
        raise FailedPrecondition(
            f"{what} is too long for a tar archive that others can read: {len(name)} bytes, more than {MAX_NAME}: "
            f"{quoted(entry.name)}; rename or remove it"
        )
    return name


def _extended(entry: Entry, records: Records) -> bytes:
    """Return the extended header with its data."""
    data = encode_records(records)
    if len(data) > MAX_BYTES:
        raise FailedPrecondition(
            f"the extended attributes of {quoted(entry.name)} take {len(data)} bytes, more than the {MAX_BYTES} "
            "that readers of tar archives accept; remove some (setfattr -x)"
        )
    header = _header(_PAX_NAME, (0o644, 0, 0, len(data), 0), _PAX)
    return header + data + bytes(-len(data) % BLOCK)


def _header(
    name: bytes,
    numbers: tuple[int, int, int, int, int],
    flag: bytes,
    link: bytes = b"",
    device: bytes = _NO_DEVICE,
    prefix: bytes = b"",
) -> bytes:
    """Return a header with its checksum."""
    start = name.ljust(_NAME, b"\0") + _NUMBERS % numbers
    rest = b"%b%b%b%b%b" % (flag, link.ljust(_NAME, b"\0"), _MAGIC, device, prefix.ljust(_PREFIX + 12, b"\0"))
    return b"%b%06o\0 %b" % (start, byte_sum(start + _BLANK + rest), rest)
