"""Extended headers: records that override the fields of the header after them (IEEE Std 1003.1, `pax`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from lamina.layers._entry import Entry, EntryType
from lamina.layers.tar._header import MAX_ID, MAX_NAME, MAX_SIZE, SECOND, seconds
from lamina.layers.tar._malformed import Malformed

MAX_RECORDS: Final = 1 << 16
SPARSE: Final = b"GNU.sparse."
SPARSE_MAP: Final = SPARSE + b"map"
SPARSE_KEYS: Final = frozenset(
    SPARSE + part for part in (b"major", b"minor", b"name", b"size", b"realsize", b"numblocks", b"map")
)
"""The records that make a file one with holes."""
_SPARSE_PAIRS: Final = (SPARSE + b"offset", SPARSE + b"numbytes")
"""Version 0.0 of GNU's sparse format repeats these two records, once for each extent."""
XATTR: Final = b"SCHILY.xattr."
"""The prefix of records with extended attributes: star's, which Go, GNU tar and libarchive know, too."""
_MAX_XATTR_NAME: Final = 255
_MAX_XATTR_VALUE: Final = 1 << 16
"""Limits of Linux (xattr(7))."""
_LENGTH_DIGITS: Final = 20
"""More digits than any length of a record has."""
_FRACTION_DIGITS: Final = 9
"""Digits of a fraction of a second that count: nanoseconds."""

Records = dict[bytes, bytes]


def parse_records(data: bytes) -> Records:
    """Parse the data of an extended header, records of the form `LENGTH KEY=VALUE` and a newline.

    Returns:
        The records. Of those with the same key, the last one counts. The records of GNU's sparse format 0.0 become
        the one of format 0.1.

    Raises:
        Malformed: A record is malformed, or there are more than `MAX_RECORDS`.
    """
    records: Records = {}
    pairs: list[bytes] = []
    at = count = 0
    while at < len(data):
        space = data.find(b" ", at, at + _LENGTH_DIGITS)
        length = data[at:space]
        end = at + int(length) if length.isdigit() else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not at < space < end <= len(data) or data[end - 1] != 0x0A or not key or not equals:
            raise Malformed(f"the record at byte {at} of its extended header is malformed")
        count += 1
        if count > MAX_RECORDS:
            raise Malformed(f"its extended header has more than {MAX_RECORDS} records")
        if key in _SPARSE_PAIRS:
            if key != _SPARSE_PAIRS[len(pairs) % 2]:
                raise Malformed("offsets and lengths of its sparse data do not alternate")
            pairs.append(value)
        else:
            records[key] = value
        at = end
    if pairs:
        records[SPARSE_MAP] = b",".join(pairs)
    return records


def encode_records(records: Records) -> bytes:
    """Return the data of an extended header, its records in the order of their keys."""
    return b"".join(_encode_record(key, records[key]) for key in sorted(records))


def _encode_record(key: bytes, value: bytes) -> bytes:
    size = len(key) + len(value) + len(b" =\n")
    length = size + len(b"%d" % size)
    length = size + len(b"%d" % length)  # its digits count, too, and may be one more for it
    return b"%d %b=%b\n" % (length, key, value)


def apply_records(entry: Entry, records: Mapping[bytes, bytes]) -> None:
    """Change an entry as the records of its extended header say. Records that are not known mean nothing.

    A size is that of the data in the archive, and counts for files alone.

    Raises:
        Malformed: A value is malformed.
    """
    xattrs = {}
    for key, value in records.items():
        if set_ := _SETTERS.get(key):
            if value:
                set_(entry, value)
        elif key.startswith(XATTR):
            name = key[len(XATTR) :]
            _check_xattr(name, value)
            xattrs[name] = value
    if xattrs:
        entry.xattrs = xattrs


def _check_xattr(name: bytes, value: bytes) -> None:
    if not name or b"\0" in name or len(name) > _MAX_XATTR_NAME:
        raise Malformed(f"the name of its extended attribute {name[:64]!r} is empty, too long, or has a NUL")
    if len(value) > _MAX_XATTR_VALUE:
        raise Malformed(f"its extended attribute {name!r} has {len(value)} bytes, more than {_MAX_XATTR_VALUE}")


def check_name(value: bytes, what: str) -> bytes:
    """Return a name from an extended header unchanged.

    Raises:
        Malformed: It is longer than `MAX_NAME`, or has a NUL.
    """
    if len(value) > MAX_NAME:
        raise Malformed(f"the {what} has {len(value)} bytes, more than {MAX_NAME}")
    if b"\0" in value:
        raise Malformed(f"the {what}, {value[:64]!r}, has a NUL")
    return value


def decimal(value: bytes, what: str, limit: int) -> int:
    """Return a decimal number from 0 to a limit.

    Raises:
        Malformed: It is not one.
    """
    if not value.isdigit() or len(value) > _LENGTH_DIGITS:
        raise Malformed(f"the {what}, {value[:64]!r}, is not a decimal number from 0 to {limit}")
    if (number := int(value)) > limit:
        raise Malformed(f"the {what}, {number}, is more than {limit}")
    return number


def parse_time(value: bytes, what: str) -> int:
    """Return a time in seconds, with an optional fraction, as nanoseconds. More than nine digits are cut off.

    Raises:
        Malformed: It is not one, or the kernel has no such time.
    """
    whole, point, fraction = value.removeprefix(b"-").partition(b".")
    if not whole.isdigit() or len(whole) > _LENGTH_DIGITS or (fraction and not fraction.isdigit()):
        raise Malformed(f"the {what}, {value[:64]!r}, is not a time in seconds")
    nanoseconds = int(fraction[:_FRACTION_DIGITS].ljust(_FRACTION_DIGITS, b"0")) if point else 0
    total = int(whole) * SECOND + nanoseconds
    seconds(int(whole))
    return -total if value.startswith(b"-") else total


def format_time(time: int) -> bytes:
    """Return a time, given in nanoseconds, in seconds, with a fraction without trailing zeros."""
    seconds, nanoseconds = divmod(abs(time), SECOND)
    fraction = (b".%09d" % nanoseconds).rstrip(b"0").rstrip(b".")
    return b"%b%d%b" % (b"-" if time < 0 else b"", seconds, fraction)


def _set_name(entry: Entry, value: bytes) -> None:
    entry.name = check_name(value, "path")


def _set_link(entry: Entry, value: bytes) -> None:
    entry.link = check_name(value, "target of the link")


def _set_size(entry: Entry, value: bytes) -> None:
    size = decimal(value, "size", MAX_SIZE)
    if entry.type is EntryType.FILE:
        entry.size = size


def _set_uid(entry: Entry, value: bytes) -> None:
    entry.uid = decimal(value, "uid", MAX_ID)


def _set_gid(entry: Entry, value: bytes) -> None:
    entry.gid = decimal(value, "gid", MAX_ID)


def _set_mtime(entry: Entry, value: bytes) -> None:
    entry.mtime = parse_time(value, "mtime")


def _set_atime(entry: Entry, value: bytes) -> None:
    entry.atime = parse_time(value, "atime")


_SETTERS: Final[dict[bytes, Callable[[Entry, bytes], None]]] = {
    b"path": _set_name,
    b"linkpath": _set_link,
    b"size": _set_size,
    b"uid": _set_uid,
    b"gid": _set_gid,
    b"mtime": _set_mtime,
    b"atime": _set_atime,
}
