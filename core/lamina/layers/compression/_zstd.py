"""Layers compressed with Zstandard (RFC 8878)."""

from __future__ import annotations

from typing import IO, Final, cast

import zstandard

from lamina.errdefs import InvalidArgument
from lamina.layers.compression._magic import ZSTD_FRAME, is_skippable
from lamina.layers.compression._source import Source

MAX_WINDOW: Final = 32 << 20
"""Bytes of memory that a frame may ask for. `zstd -19` asks for 8 MiB, `zstd --ultra -20` for 32 MiB."""
_LEVEL: Final = 3
"""The default of `zstd` and of containerd. Layers of Debian's files become a seventh smaller than with gzip
(`_gzip`), at 100 to 170 MB/s; with level 1, half of that at twice the speed."""
_RLE, _RESERVED = 1, 3
"""Types of blocks: one byte repeated, and none."""


class ZstdDecoder:
    """Decompresses the frames of a source, one after the other, as if they were one."""

    def __init__(self, source: Source) -> None:
        """Decompress a source."""
        self._source = source
        decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        # It uses nothing but `read` of its source.
        frames = cast("IO[bytes]", _Frames(source))
        self._reader = decompressor.stream_reader(frames, read_across_frames=True)

    def read(self, size: int) -> bytes:
        """Return the next uncompressed bytes: `size`, or fewer at the end.

        Raises:
            InvalidArgument: The data is not Zstandard, is damaged or incomplete, something follows it, or a frame
                asks for more memory than `MAX_WINDOW`.
        """
        try:
            return self._reader.read(size)
        except zstandard.ZstdError as error:
            raise InvalidArgument(
                f"the zstd data is damaged before byte {self._source.position}: {error}; fetch it again"
            ) from error


class _Frames:
    """The frames of a source, in pieces, for a decompressor that does not notice where its input ends.

    Follows the frames and their blocks, so that an end inside a frame is an error. Skippable frames are left out.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._in_frame = False
        self._checksum = 0
        """Bytes of the checksum that follows the blocks of the frame."""

    def read(self, _size: int) -> bytes:
        """Return the next piece: the header of a frame, or a block; nothing at the end."""
        return self._block() if self._in_frame else self._header()

    def _header(self) -> bytes:
        while is_skippable(magic := self._source.take(4)):
            size = int.from_bytes(self._take(4), "little")
            if self._source.skip(size) < size:
                raise self._truncated()
        if not magic:
            return b""
        if magic != ZSTD_FRAME:
            raise InvalidArgument(f"not a zstd frame before byte {self._source.position}; fetch it again")
        descriptor = self._take(1)
        header = magic + descriptor + self._take(_header_size(descriptor[0]))
        window = zstandard.get_frame_parameters(header).window_size
        if window > MAX_WINDOW:
            raise InvalidArgument(
                f"a zstd frame needs a window of {window} bytes, more than {MAX_WINDOW}; "
                "compress the layer with a smaller one, such as that of zstd -19"
            )
        self._in_frame = True
        self._checksum = 4 if descriptor[0] & 0x04 else 0
        return header

    def _block(self) -> bytes:
        header = self._take(3)
        fields = int.from_bytes(header, "little")
        is_last, type_, size = fields & 1, fields >> 1 & 3, fields >> 3
        if type_ == _RESERVED:
            raise InvalidArgument(
                f"the zstd block before byte {self._source.position} has no type; fetch it again"
            )
        if is_last:
            self._in_frame = False
        return header + self._take((1 if type_ == _RLE else size) + (self._checksum if is_last else 0))

    def _take(self, size: int) -> bytes:
        data = self._source.take(size)
        if len(data) < size:
            raise self._truncated()
        return data

    def _truncated(self) -> InvalidArgument:
        return InvalidArgument(
            f"the zstd data ends after {self._source.position} bytes, inside a frame; fetch it again"
        )


def _header_size(descriptor: int) -> int:
    """Return the number of bytes of a frame's header that follow its descriptor (RFC 8878, 3.1.1.1)."""
    is_single_segment = bool(descriptor & 0x20)
    content_size = (1 if is_single_segment else 0, 2, 4, 8)[descriptor >> 6]
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    return (0 if is_single_segment else 1) + dictionary + content_size


def new_zstd_encoder() -> zstandard.ZstdCompressionObj:
    """Return an encoder of one frame, with a checksum."""
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
