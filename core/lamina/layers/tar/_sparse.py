"""Files with holes: GNU tar's old format, and its formats 0.0, 0.1 and 1.0 in extended headers.

The archive has the data between the holes, and a map of where it belongs (`tar` manual, "Storing Sparse Files").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from lamina.layers._entry import Entry, EntryType
from lamina.layers.tar._header import BLOCK, MAX_SIZE, number
from lamina.layers.tar._malformed import Malformed
from lamina.layers.tar._pax import SPARSE, SPARSE_KEYS, SPARSE_MAP, check_name, decimal

MAX_EXTENTS: Final = 1 << 17
"""Extents of one file; each takes some hundred bytes of memory."""
MAX_MAP_BYTES: Final = 1 << 20
"""Bytes of a map in format 1.0, as in Go's `archive/tar`."""

_VERSIONS: Final = {(None, None), (b"0", b"0"), (b"0", b"1"), (b"1", b"0")}
"""Versions of the formats in extended headers. The first two need not be given."""

Take = Callable[[int], bytes]
"""Takes bytes of the entry's data from the archive."""


@attrs.frozen
class SparseFile:
    """The data of a file with holes in the archive."""

    size: int
    """Bytes of the file, holes included."""
    numbers: list[int]
    """Offsets and lengths of the extents, one after the other."""
    map_bytes: int = 0
    """Bytes of the map that precede the data in the entry's own data."""

    def apply(self, entry: Entry) -> None:
        """Give an entry the size and the extents of the file.

        Raises:
            Malformed: The extents overlap, leave the file, or are not those of the data in the archive.
        """
        if len(self.numbers) % 2:
            raise Malformed("its sparse data has an offset without a length")
        extents = []
        end = total = 0
        for offset, length in zip(self.numbers[::2], self.numbers[1::2], strict=True):
            if offset < end or offset + length > self.size:
                raise Malformed(
                    f"its sparse data of {length} bytes at {offset} overlaps other data, or exceeds the file's "
                    f"{self.size} bytes"
                )
            end = offset + length
            total += length
            if length:
                extents.append((offset, length))
        if total != entry.size - self.map_bytes:
            raise Malformed(f"its sparse data is {total} bytes, but the archive has {entry.size - self.map_bytes}")
        entry.size = self.size
        entry.extents = tuple(extents)


def read_old(header: bytes, take_block: Callable[[], bytes]) -> SparseFile:
    """Read the map of GNU's old format (type `S`), which begins in the header.

    Args:
        header: The header.
        take_block: Takes the next block of the archive, for a map that continues there.

    Raises:
        Malformed: The map is malformed.
    """
    numbers: list[int] = []
    size = number(header[483:495], "size of the file")
    if not 0 <= size <= MAX_SIZE:
        raise Malformed(f"the size of the file, {size}, is out of range")
    is_extended = header[482]
    _add_pairs(numbers, header[386 : 386 + 4 * 24])
    while is_extended:
        block = take_block()
        _add_pairs(numbers, block[: 21 * 24])
        is_extended = block[21 * 24]
    return SparseFile(size, numbers)


def _add_pairs(numbers: list[int], fields: bytes) -> None:
    for at in range(0, len(fields), 12):
        if at % 24 == 0 and not fields[at]:
            return
        value = number(fields[at : at + 12], "offset or length of sparse data")
        if value < 0:
            raise Malformed(f"an offset or length of its sparse data, {value}, is negative")
        numbers.append(value)
    if len(numbers) > 2 * MAX_EXTENTS:
        raise Malformed(f"its sparse data has more than {MAX_EXTENTS} parts")


def read_pax(entry: Entry, records: Mapping[bytes, bytes], take: Take) -> SparseFile | None:
    """Read the map that an extended header has or announces; the entry gets its real name.

    Args:
        entry: The file.
        records: The records of its extended header.
        take: Takes bytes of the entry's data, of which format 1.0 puts the map first.

    Returns:
        None if the file has no holes.

    Raises:
        Malformed: The map is malformed, or its format is not known.
    """
    if SPARSE_KEYS.isdisjoint(records):
        return None
    major, minor = (records.get(SPARSE + part) for part in (b"major", b"minor"))
    if (major, minor) not in _VERSIONS:
        shown = f"{(major or b'')[:8]!r}, {(minor or b'')[:8]!r}"
        raise Malformed(f"its sparse format, version {shown}, is not known")
    if entry.type is not EntryType.FILE:
        raise Malformed(f"a {entry.type.value} with sparse data")
    if name := records.get(SPARSE + b"name"):
        entry.name = check_name(name, "path")
    size = records.get(SPARSE + b"size") or records.get(SPARSE + b"realsize") or b""
    real_size = decimal(size, "size of the file", MAX_SIZE)
    if major == b"1":
        numbers, map_bytes = _read_data_map(entry.size, take)
        return SparseFile(real_size, numbers, map_bytes)
    return SparseFile(real_size, _parse_map(records))


def _parse_map(records: Mapping[bytes, bytes]) -> list[int]:
    """Parse the map of formats 0.0 and 0.1."""
    fields = records.get(SPARSE_MAP, b"")
    numbers = [_number(field) for field in fields.split(b",")] if fields else []
    count = records.get(SPARSE + b"numblocks")
    if not fields and (count is None or SPARSE + b"major" not in records):
        raise Malformed("its sparse data has no map")
    if count is not None and decimal(count, "number of parts of sparse data", MAX_EXTENTS) * 2 != len(numbers):
        raise Malformed(f"its sparse data has {len(numbers) / 2:g} parts and not {int(count)}")
    return numbers


def _read_data_map(stored: int, take: Take) -> tuple[list[int], int]:
    """Read the map of format 1.0: lines with the number of extents, their offsets and lengths, in full blocks."""
    data = bytearray()
    lines, expected = 0, 1
    while lines < expected:
        if len(data) + BLOCK > min(stored, MAX_MAP_BYTES):
            raise Malformed(f"its map of sparse data exceeds the entry, or {MAX_MAP_BYTES} bytes")
        block = take(BLOCK)
        data += block
        had_count = lines > 0
        lines += block.count(b"\n")
        if lines and not had_count:
            count = decimal(bytes(data.partition(b"\n")[0]), "number of parts of sparse data", MAX_EXTENTS)
            expected += 2 * count
    return [_number(line) for line in bytes(data).split(b"\n")[1:expected]], len(data)


def _number(value: bytes) -> int:
    return decimal(value, "offset or length of sparse data", MAX_SIZE)
