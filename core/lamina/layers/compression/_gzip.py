"""Layers compressed with gzip (RFC 1952)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isal import igzip_lib, isal_zlib

from lamina.errdefs import InvalidArgument
from lamina.layers.compression._source import Source

if TYPE_CHECKING:
    from lamina.layers.compression._writer import Encoder

_LEVEL: Final = 2
"""Layers of Debian's files take 320 to 430 MB/s, and become an eighth larger than with zlib's level 6, which takes
20 to 30 MB/s. Level 3 saves one or two percent, and takes a quarter to a half more time."""
_WITH_HEADER: Final = 16 + 15
"""The size of the window in bits, and 16 for a header and a trailer of gzip."""


class GzipDecoder:
    """Decompresses the members of a gzip file, one after the other, as if they were one."""

    def __init__(self, source: Source) -> None:
        """Decompress a source."""
        self._source = source
        self._member = _new_member()

    def read(self, size: int) -> bytes:
        """Return the next uncompressed bytes: `size`, or fewer at the end.

        Raises:
            InvalidArgument: The data is not gzip, is damaged or incomplete, or something follows it.
        """
        first = self._read_some(size)
        if len(first) == size or not first:
            return first
        parts = [first]
        missing = size - len(first)
        while missing and (data := self._read_some(missing)):
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _read_some(self, size: int) -> bytes:
        """Return between one and `size` bytes; none at the end."""
        while True:
            compressed = b""
            if self._member.eof:
                compressed = self._member.unused_data or self._source.take_chunk()
                if not compressed:
                    return b""
                self._member = _new_member()
            elif self._member.needs_input:
                compressed = self._source.take_chunk()
                if not compressed:
                    raise InvalidArgument(
                        f"the gzip data ends after {self._source.position} bytes, inside a member; fetch it again"
                    )
            if data := self._inflate(compressed, size):
                return data

    def _inflate(self, compressed: bytes, size: int) -> bytes:
        try:
            return self._member.decompress(compressed, size)
        except igzip_lib.IsalError as error:  # type: ignore[misc] # its stub calls the class an instance
            raise InvalidArgument(
                f"the gzip data is damaged, or other data follows it, before byte "
                f"{self._source.position}: {error}; fetch it again"
            ) from error


def _new_member() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def new_gzip_encoder() -> Encoder:
    """Return an encoder of one member, whose header has no name and no time."""
    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _WITH_HEADER)
