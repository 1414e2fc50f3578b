"""Blobs that are open for reading."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final, Self

import attrs

from lamina.context import current
from lamina.errdefs import DataLoss, translated

PIECE: Final = 1 << 20
"""Bytes read at a time: large enough to amortise the calls, small enough to stay in the processor's cache."""


@attrs.define(eq=False, repr=False)
class Blob:
    """A range of bytes in an open file, read with pread(2), which leaves the position of the file alone.

    A blob of a content store has a descriptor of its own, which `close` closes. Blobs in an archive share the
    archive's.
    """

    fd: int
    """The descriptor; -1 after `close`."""
    size: int
    """Bytes."""
    offset: int = 0
    """The offset in the file at which the blob begins, in bytes."""

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """Yield the data in pieces of at most `PIECE` bytes.

        Args:
            start: The offset in the blob at which to begin.

        Raises:
            DataLoss: The file ends before the blob does, or cannot be read.
            Canceled, DeadlineExceeded: The current call ended.
        """
        call = current()
        while start < self.size:
            call.check()
            with translated("read a blob"):
                data = os.pread(self.fd, min(PIECE, self.size - start), self.offset + start)
            if not data:
                raise DataLoss(f"a blob of {self.size} bytes ends after {start}: the file was truncated")
            yield data
            start += len(data)

    def close(self) -> None:
        """Close the descriptor. Closing twice does nothing."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
