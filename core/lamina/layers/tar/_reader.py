"""Reading tar archives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final, Self

from lamina.errdefs import InvalidArgument
from lamina.fs import write_all
from lamina.layers._entry import Entry, EntryType
from lamina.layers.compression import LayerStream
from lamina.layers.tar._buffer import Buffer
from lamina.layers.tar._extensions import EXTENSIONS, MAX_BYTES, Extensions
from lamina.layers.tar._header import BLOCK, TYPEFLAG, check_block, parse_entry, stored_size, text
from lamina.layers.tar._malformed import Malformed
from lamina.layers.tar._quoted import quoted
from lamina.layers.tar._sparse import read_old, read_pax

_ZEROS: Final = bytes(BLOCK)
_OLD_SPARSE: Final = b"S"
_MAX_EXTENSIONS: Final = 64
"""Maximum number of such headers before one entry. Three are usual."""


class TarReader:
    """Reads the entries of a tar archive, from start to end, and hashes every byte of it unless `hashed` is false.

    Iterate over the entries. `copy_to` or `read` uses the data of the current one; otherwise it is passed over.
    After the last entry, `digest` is that of the whole archive: the diff ID of the layer.

    Formats are 7th Edition, ustar, pax, GNU and star, with long names, sparse files and numbers in base 256. Where
    programs differ about an odd archive, this reads it as Go's `archive/tar` does, and so containerd. An archive
    may end without its two blocks of zeros; what follows them is hashed and otherwise ignored.

    Memory is bounded, whatever the archive: some MiB beside that of the stream.
    """

    def __init__(
        self, stream: LayerStream, *, hashed: bool = True, progress: Callable[[int], object] | None = None
    ) -> None:
        """Read an archive.

        Args:
            stream: The archive. The caller closes it.
            hashed: Whether to compute `digest`. If not, plain data that is not used is not even read.
            progress: Called with `LayerStream.position` each time that some 100 KiB were read.
        """
        self._buffer = Buffer(stream, hashed=hashed, progress=progress)
        self._header = 0
        """The place of the last header in the archive."""
        self._extensions: Extensions | None = None
        """The properties that extended headers set for the current entry, or for the next one."""
        self._entry: Entry | None = None
        self._left = 0
        """Bytes of the current entry's data that were not used."""
        self._padding = 0
        """Bytes between the end of that data and the next header."""
        self._is_at_end = False

    @property
    def position(self) -> int:
        """Bytes of the archive that were used so far: where the rest of the current entry's data begins."""
        return self._buffer.position

    @property
    def digest(self) -> str:
        """The digest of the uncompressed archive, `sha256:…`; all entries must have been read.

        Raises:
            ValueError: They were not, or the reader does not hash.
        """
        return self._buffer.digest

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Entry:
        """Return the next entry, after passing over unused data of the last one.

        Raises:
            InvalidArgument: The archive, or the compressed data, is malformed; the message names entry and offset.
            Canceled: The call was cancelled.
            DeadlineExceeded: The call's deadline has passed.
        """
        if self._is_at_end:
            raise StopIteration
        try:
            self._skip_data()
            self._entry = None
            entry = self._next_entry()
        except Malformed as error:
            raise self._invalid(error) from error
        if entry is None:
            self._is_at_end = True
            raise StopIteration
        self._entry = entry
        return entry

    def copy_to(self, fd: int) -> None:
        """Write the data of the current entry to a file, once. Holes stay holes.

        Args:
            fd: The file, open for writing, empty.

        Raises:
            InvalidArgument: The archive ends inside the data.
            OSError: The file cannot be written.
            ValueError: The data was used before, and has holes.
            Error: As for iterating.
        """
        entry = self._entry
        if entry is None or entry.extents is None:
            while self._left:
                write_all(fd, self._piece(self._left))
            return
        for offset, length in entry.extents:
            os.lseek(fd, offset, os.SEEK_SET)
            for piece in self._data(length):
                write_all(fd, piece)
        os.ftruncate(fd, entry.size)

    def read(self, limit: int) -> bytes:
        """Return the data of the current entry, once, with zeros for holes.

        Args:
            limit: Its maximum size in bytes.

        Raises:
            InvalidArgument: It has more, or the archive ends inside it.
            ValueError: The data was used before, and has holes.
            Error: As for iterating.
        """
        entry = self._entry
        if entry is None:
            return b""
        if entry.size > limit:
            raise self._invalid(Malformed(f"it has {entry.size} bytes, more than {limit}"))
        if entry.extents is None:
            return b"".join(self._data(self._left))
        data = bytearray(entry.size)
        for offset, length in entry.extents:
            data[offset : offset + length] = b"".join(self._data(length))
        return bytes(data)

    def _data(self, size: int) -> Iterator[memoryview]:
        """Yield bytes of the current entry's data in pieces."""
        if size > self._left:
            raise ValueError("the data of the entry was used before")
        while size:
            piece = self._piece(size)
            size -= len(piece)
            yield piece

    def _piece(self, size: int) -> memoryview:
        """Return the next bytes of the current entry's data, at least one."""
        try:
            piece = self._buffer.piece(size)
        except Malformed as error:
            raise self._invalid(error) from error
        self._left -= len(piece)
        return piece

    def _next_entry(self) -> Entry | None:
        buffer = self._buffer
        self._extensions = None
        for _ in range(_MAX_EXTENSIONS):
            block = buffer.peek(BLOCK)
            if len(block) < BLOCK:
                self._end()
                return None
            self._header = buffer.before + buffer.at
            if not block[0] and block == _ZEROS:
                buffer.at += BLOCK
                self._end(has_trailer=True)
                return None
            check_block(block)
            flag = block[TYPEFLAG : TYPEFLAG + 1]
            if flag not in EXTENSIONS:
                return self._file(block, flag)
            if self._extensions is None:
                self._extensions = Extensions()
            self._extensions.add(flag, self._extension(block))
        raise Malformed(f"more than {_MAX_EXTENSIONS} extended headers precede it")

    def _extension(self, block: bytes) -> bytes:
        """Return the data of a header that says something about the next one."""
        buffer = self._buffer
        size = stored_size(block)
        if size > MAX_BYTES:
            raise Malformed(f"its extended header has {size} bytes, more than {MAX_BYTES}")
        buffer.at += BLOCK
        data = buffer.take(size)
        buffer.skip(-size % BLOCK)
        return data

    def _file(self, block: bytes, flag: bytes) -> Entry:
        entry = parse_entry(block)
        self._buffer.at += BLOCK
        extensions = self._extensions
        if extensions is not None:
            extensions.apply(entry)
        if flag == b"\0" and entry.name.endswith(b"/"):  # a directory in the format of 7th Edition
            entry.type = EntryType.DIRECTORY
            entry.size = 0
        self._left = entry.size
        self._padding = -entry.size % BLOCK
        sparse = None
        if flag == _OLD_SPARSE:
            sparse = read_old(block, self._take_block)
        elif extensions is not None:
            sparse = read_pax(entry, extensions.records, self._take_data)
        if sparse:
            sparse.apply(entry)
        return entry

    def _end(self, *, has_trailer: bool = False) -> None:
        """Read the archive to its end, after the last entry."""
        buffer = self._buffer
        if buffer.at < len(buffer.chunk) and not buffer.ensure(BLOCK):
            raise Malformed("the archive ends inside a header")
        if self._extensions:
            raise Malformed("an extended header is the last one")
        if has_trailer and buffer.ensure(BLOCK) and not buffer.chunk.startswith(_ZEROS, buffer.at):
            raise Malformed("a block of zeros precedes it")
        buffer.drain()

    def _skip_data(self) -> None:
        """Pass over the rest of the current entry's data and its padding, which may be missing at the end."""
        rest = self._left + self._padding
        if rest and self._buffer.skip(rest) < self._left:
            raise Malformed("the archive ends inside its data")
        self._left = self._padding = 0

    def _take_data(self, size: int) -> bytes:
        self._left -= size
        return self._buffer.take(size)

    def _take_block(self) -> bytes:
        return self._buffer.take(BLOCK)

    def _invalid(self, error: Malformed) -> InvalidArgument:
        return InvalidArgument(
            f"read the tar archive: entry {quoted(self._name())} at byte {self._header}: {error}; "
            "make the archive again, or fetch it again"
        )

    def _name(self) -> bytes:
        """Return the name of the current entry, or the known part of the next one's."""
        if self._entry:
            return self._entry.name
        at = self._header - self._buffer.before
        known = self._extensions.name if self._extensions else b""
        return known or (text(self._buffer.chunk[at : at + 100]) if at >= 0 else b"")
