"""The writes and flushes of a disk, one after the other, and the disks that a power cut leaves of them."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

WRITE, FLUSH, REFUSED = 1, 2, 3
"""Kinds of entries. That a write was refused changes nothing; what reached the disk of it is an entry before."""
_HEAD: Final = struct.Struct("<BQI")
"""The kind, the offset on the disk in bytes, and how many bytes of data follow."""
SECTOR: Final = 4096
"""Bytes that a disk writes whole or not at all: what file systems expect of a device with blocks of 4 KiB."""


def encode(kind: int, offset: int, data: bytes) -> bytes:
    """An entry of a log."""
    return _HEAD.pack(kind, offset, len(data)) + data


@attrs.frozen
class Entry:
    """A write or a flush."""

    kind: int
    offset: int
    """Of what was written, on the disk."""
    length: int
    at: int
    """Where its data begins in the log."""
    end: int
    """Where the next entry begins in the log: a log of this size has this entry, and no later one."""


def read_log(path: Path) -> list[Entry]:
    """The entries of a log, the oldest first."""
    entries: list[Entry] = []
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        position = 0
        while position < size:
            kind, offset, length = _HEAD.unpack(os.pread(file.fileno(), _HEAD.size, position))
            at = position + _HEAD.size
            position = at + length
            entries.append(Entry(kind, offset, length, at, position))
    return entries


class PowerCut:
    """Makes disks as a power cut leaves them: of one log, at later and later points.

    What was written before the last flush is there. Of what was written since, each sector is there or not, as if
    it was written in any order.
    """

    def __init__(self, log: Path, image: Path) -> None:
        """Begin with the disk before the first entry.

        Args:
            log: The log.
            image: What the disk held then. It is changed: it is brought forward from flush to flush.
        """
        self.entries = read_log(log)
        self._log = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        self._image = image
        self._flushed = 0
        """How many entries the image includes."""

    def close(self) -> None:
        """Close the log."""
        os.close(self._log)

    def make(self, count: int, path: Path, is_kept: Callable[[int], bool]) -> None:
        """Make the disk of a power cut after so many entries.

        Args:
            count: The entries that there had been; no fewer than in the call before.
            path: Where the disk is made, as a sparse file.
            is_kept: Given the number of a write that was not flushed, returns whether it is there. Asked anew for
                each of its sectors.
        """
        flushed = count - len(self.unflushed(count))
        with open(self._image, "r+b", buffering=0) as image:
            for number in range(self._flushed, flushed):
                self._apply(number, image.fileno(), lambda _: True)
        self._flushed = max(self._flushed, flushed)
        _copy_sparse(self._image, path)
        with open(path, "r+b", buffering=0) as made:
            for number in range(flushed, count):
                self._apply(number, made.fileno(), is_kept)

    def unflushed(self, count: int) -> range:
        """The numbers of the entries after the last flush, where there are so many."""
        first = count
        while first and self.entries[first - 1].kind != FLUSH:
            first -= 1
        return range(first, count)

    def _apply(self, number: int, disk: int, is_kept: Callable[[int], bool]) -> None:
        entry = self.entries[number]
        data = os.pread(self._log, entry.length, entry.at)
        for start in range(0, entry.length, SECTOR):
            if is_kept(number):
                os.pwrite(disk, data[start : start + SECTOR], entry.offset + start)


def by_chance(chance: random.Random) -> Callable[[int], bool]:
    """Keeps sectors by chance: none, all, or a part, as it comes."""
    kept = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    return lambda _: chance.random() < kept


def _copy_sparse(source: Path, target: Path) -> None:
    """Copy a file with its holes (lseek(2), SEEK_DATA)."""
    with open(source, "rb") as old, open(target, "wb") as new:
        size = os.fstat(old.fileno()).st_size
        os.truncate(new.fileno(), size)
        position = 0
        while position < size:
            try:
                position = os.lseek(old.fileno(), position, os.SEEK_DATA)
            except OSError:  # ENXIO: a hole up to the end
                return
            end = os.lseek(old.fileno(), position, os.SEEK_HOLE)
            while position < end:
                position += os.copy_file_range(old.fileno(), new.fileno(), end - position, position, position)
