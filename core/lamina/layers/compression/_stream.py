"""The uncompressed bytes of a layer."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from lamina.layers.compression._gzip import GzipDecoder
from lamina.layers.compression._magic import MAGIC_BYTES, Compression, detect
from lamina.layers.compression._source import Source


class _Decoder(Protocol):
    def read(self, size: int) -> bytes: ...


class LayerStream:
    """The uncompressed bytes of a layer, read once from start to end. `open_layer` opens one.

    Memory is bounded, whatever the data: some 300 KiB, and for zstd up to 64 MiB, as a frame's header demands.
    """

    def __init__(self, source: Source, compression: Compression, decoder: _Decoder) -> None:
        """Read what a decoder makes of a source."""
        self.compression = compression
        """The compression of the layer."""
        self._source = source
        self._decoder = decoder

    @property
    def position(self) -> int:
        """Compressed bytes consumed so far: progress, beside the size of the layer."""
        return self._source.position

    def read(self, size: int) -> bytes:
        """Return the next bytes: `size`, or fewer at the end.

        Raises:
            InvalidArgument: The compressed data is damaged, or incomplete.
            DataLoss: The file cannot be read.
            Canceled: The call was cancelled.
            DeadlineExceeded: The call's deadline has passed.
        """
        return self._decoder.read(size)

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill a buffer with the next bytes.

        Returns:
            The number of bytes written to the buffer: fewer than it holds only at the end.

        Raises:
            Error: As for `read`.
        """
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def skip(self, size: int) -> int:
        """Pass over the next bytes; those of an uncompressed layer are not even read.

        Returns:
            The number of bytes passed over: fewer than `size` only at the end.

        Raises:
            Error: As for `read`.
        """
        if self.compression is Compression.NONE:
            return self._source.skip(size)
        left = size
        while left and (data := self.read(min(left, 1 << 18))):
            left -= len(data)
        return size - left

    def close(self) -> None:
        """Give up the memory of the decompressor. The file stays open: it is the caller's."""
        self._decoder = _Closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()


class _Closed:
    def read(self, _size: int) -> bytes:
        raise ValueError("the layer is closed")


class _Plain:
    def __init__(self, source: Source) -> None:
        self.read = source.take


def open_layer(fd: int, *, offset: int = 0, size: int) -> LayerStream:
    """Open a layer, plain or compressed, as its first bytes show.

    Several gzip members or zstd frames in a row are one stream. Anything else after them is an error. A plain
    archive whose first name begins like gzip or zstd is taken for compressed, as in containerd.

    Args:
        fd: The file that has the layer. It stays the caller's, who closes it after the stream; its position is
            neither used nor changed.
        offset: The start of the layer in the file, in bytes.
        size: The bytes of the layer in the file.

    Raises:
        InvalidArgument: The layer is compressed in a way that image layers never are, or its file is too short.
        DataLoss: The file cannot be read.
    """
    source = Source(fd, offset, size)
    compression = detect(source.peek(MAGIC_BYTES))
    if compression is Compression.GZIP:
        return LayerStream(source, compression, GzipDecoder(source))
    if compression is Compression.ZSTD:
        from lamina.layers.compression._zstd import ZstdDecoder

        return LayerStream(source, compression, ZstdDecoder(source))
    return LayerStream(source, compression, _Plain(source))
