"""The bytes of an archive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lamina.context import current
from lamina.layers.compression import LayerStream
from lamina.layers.tar._malformed import Malformed

CHUNK: Final = 1 << 18
"""Uncompressed bytes read at a time: a multiple of a header's size, so that few headers lie across two chunks."""


class Buffer:
    """The bytes of an archive, of which a chunk is held at a time, and which are hashed as they are read.

    They are hashed in the thread that reads. Another one, with a processor of its own, would save a tenth of the
    time of one large layer, but takes a sixth more processor time, which two layers at once need.
    """

    def __init__(
        self, stream: LayerStream, *, hashed: bool, progress: Callable[[int], object] | None = None
    ) -> None:
        """Read a stream.

        Args:
            stream: The archive.
            hashed: Whether to hash it. If not, bytes that are passed over are not even read, unless compressed.
            progress: Called with the stream's position each time that a chunk was read.
        """
        import hashlib

        self.chunk = b""
        """Bytes of the archive, for reading in place."""
        self._view = memoryview(self.chunk)
        """Of the chunk."""
        self.at = 0
        """The position in the chunk of the next unused byte."""
        self.before = 0
        """Bytes of the archive before the chunk."""
        self._stream = stream
        self._progress = progress
        self._hash = hashlib.sha256() if hashed else None
        self._is_drained = False
        self._check = current().check

    @property
    def position(self) -> int:
        """Bytes of the archive that were used or passed over."""
        return self.before + self.at

    @property
    def digest(self) -> str:
        """The digest of the whole archive, once it was drained.

        Raises:
            ValueError: It was not, or it is not hashed.
        """
        if not self._hash or not self._is_drained:
            raise ValueError("the archive has not been read to its end")
        return f"sha256:{self._hash.hexdigest()}"

    def peek(self, size: int) -> bytes:
        """Return the next bytes, which stay unused: `size`, or fewer at the end."""
        if len(self.chunk) - self.at < size:
            self.ensure(size)
        return self.chunk[self.at : self.at + size]

    def ensure(self, size: int) -> bool:
        """Read until the chunk has this many unused bytes; return False if the archive ends before."""
        while len(self.chunk) - self.at < size:
            if not self._fill():
                return False
        return True

    def take(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            Malformed: The archive has fewer.
        """
        if not self.ensure(size):
            raise Malformed("the archive ends inside it")
        data = self.chunk[self.at : self.at + size]
        self.at += size
        return data

    def piece(self, size: int) -> memoryview:
        """Return the next bytes that are in the chunk: at least one, and no more than `size`.

        Raises:
            Malformed: The archive has none.
        """
        if self.at == len(self.chunk) and not self._fill():
            raise Malformed("the archive ends inside its data")
        piece = self._view[self.at : self.at + size]
        self.at += len(piece)
        return piece

    def skip(self, size: int) -> int:
        """Pass over the next bytes.

        Returns:
            Their number: fewer than `size` only at the end.
        """
        left = size
        while left > (buffered := len(self.chunk) - self.at):
            left -= buffered
            self.at = len(self.chunk)
            if not self._hash:
                skipped = self._stream.skip(left)
                self.before += skipped
                return size - left + skipped
            if not self._fill():
                return size - left
        self.at += left
        return size

    def drain(self) -> None:
        """Read to the end."""
        self.at = len(self.chunk)
        while self._hash and self._fill():
            self.at = len(self.chunk)
        self._is_drained = True

    def _fill(self) -> bool:
        """Read on, and keep unused bytes; return False at the end of the archive."""
        self._check()
        data = self._stream.read(CHUNK)
        if self._progress:
            self._progress(self._stream.position)
        if not data:
            return False
        if self._hash:
            self._hash.update(data)
        self.before += self.at
        self.chunk = self.chunk[self.at :] + data
        self._view = memoryview(self.chunk)
        self.at = 0
        return True
