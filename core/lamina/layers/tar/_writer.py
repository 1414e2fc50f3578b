"""Writing tar archives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from lamina.errdefs import Aborted
from lamina.layers._entry import Entry, EntryType
from lamina.layers.tar._encoding import encode_headers
from lamina.layers.tar._header import BLOCK
from lamina.layers.tar._quoted import quoted

_ZEROS: Final = bytes(2 * BLOCK)


class TarWriter:
    """Writes a tar archive: ustar headers, and pax records for what these cannot hold (IEEE Std 1003.1, `pax`).

    The same entries give the same bytes. Names, targets of links and extended attributes are written byte by byte,
    whatever their encoding. User and group names are empty, and there are no times but the modification time.
    """

    def __init__(self, write: Callable[[bytes | memoryview], object]) -> None:
        """Begin an archive.

        Args:
            write: Called with the bytes of the archive, one piece after the other. It must not keep a piece.
        """
        self._write = write

    def add(self, entry: Entry, data: Iterable[bytes | memoryview] = ()) -> None:
        """Write one file.

        Args:
            entry: The file. Holes and `atime` are not written; a directory's name may lack its slash.
            data: The content of a file, in pieces: `entry.size` bytes in all.

        Raises:
            FailedPrecondition: Other programs could not read this entry. Nothing of it was written.
            Aborted: The data has another size. The archive cannot be continued.
        """
        size = entry.size if entry.type is EntryType.FILE else 0
        self._write(encode_headers(entry, size))
        left = size
        for piece in data:
            left -= len(piece)
            if left < 0:
                raise _changed(entry)
            self._write(piece)
        if left:
            raise _changed(entry)
        if size % BLOCK:
            self._write(_ZEROS[: -size % BLOCK])

    def close(self) -> None:
        """Write the end of the archive, two blocks of zeros. The destination of the bytes stays open."""
        self._write(_ZEROS)


def _changed(entry: Entry) -> Aborted:
    return Aborted(f"{quoted(entry.name)} changed while it was read; try again")
