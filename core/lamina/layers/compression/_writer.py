"""Writing compressed layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from lamina.context import current
from lamina.layers.compression._gzip import new_gzip_encoder
from lamina.layers.compression._magic import Compression

CHUNK: Final = 1 << 18
"""Uncompressed bytes that are compressed at a time. The output of isal depends on where chunks end, so all have
this size, whatever the pieces in which the archive comes."""


class Encoder(Protocol):
    """Compresses one stream."""

    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview:
        """Take data, and return the compressed bytes that are ready."""

    def flush(self) -> bytes:
        """Return the rest."""


class LayerWriter:
    """Compresses a layer as it is written, and hashes and counts what comes in and what goes out.

    The compressed bytes depend on the data, the version of the compressor and, with gzip, on the processor; on
    nothing else. The gzip header has no name and no time.
    """

    def __init__(
        self, write: Callable[[bytes | memoryview], object], compression: Compression = Compression.GZIP
    ) -> None:
        """Begin a layer.

        Args:
            write: Called with the compressed bytes, one piece after the other. It must not keep a piece.
            compression: The compression.
        """
        import hashlib

        self.size = 0
        """Compressed bytes so far."""
        self.uncompressed_size = 0
        """Uncompressed bytes compressed so far: all that were written, but for less than a chunk."""
        self._write = write
        self._encoder = _new_encoder(compression)
        self._diff_id = hashlib.sha256()
        self._digest = self._diff_id if compression is Compression.NONE else hashlib.sha256()
        self._buffer = bytearray()
        self._check = current().check

    @property
    def digest(self) -> str:
        """The digest of the compressed bytes, `sha256:…`, once the layer is closed."""
        return f"sha256:{self._digest.hexdigest()}"

    @property
    def diff_id(self) -> str:
        """The digest of the uncompressed bytes, `sha256:…`, once the layer is closed."""
        return f"sha256:{self._diff_id.hexdigest()}"

    def write(self, data: bytes | memoryview) -> None:
        """Write the next uncompressed bytes.

        Raises:
            Canceled: The call was cancelled.
            DeadlineExceeded: The call's deadline has passed.
        """
        self._buffer += data
        if len(self._buffer) < CHUNK:
            return
        full = len(self._buffer) // CHUNK * CHUNK
        with memoryview(self._buffer) as view:
            for at in range(0, full, CHUNK):
                self._compress(view[at : at + CHUNK])
        del self._buffer[:full]

    def close(self) -> None:
        """Write the rest. The destination of the bytes stays open."""
        self._compress(bytes(self._buffer))
        self._buffer.clear()
        self._emit(self._encoder.flush())

    def _compress(self, data: bytes | memoryview) -> None:
        self._check()
        self._diff_id.update(data)
        self.uncompressed_size += len(data)
        self._emit(self._encoder.compress(data))

    def _emit(self, data: bytes | memoryview) -> None:
        if not data:
            return
        if self._digest is not self._diff_id:
            self._digest.update(data)
        self.size += len(data)
        self._write(data)


class _PlainEncoder:
    def compress(self, data: bytes | memoryview, /) -> bytes | memoryview:
        return data

    def flush(self) -> bytes:
        return b""


def _new_encoder(compression: Compression) -> Encoder:
    if compression is Compression.GZIP:
        return new_gzip_encoder()
    if compression is Compression.ZSTD:
        from lamina.layers.compression._zstd import new_zstd_encoder

        return new_zstd_encoder()
    return _PlainEncoder()
