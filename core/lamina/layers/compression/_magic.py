"""Detection of a layer's compression by its first bytes."""

from __future__ import annotations

import enum
import re
from typing import Final

from lamina.errdefs import InvalidArgument


class Compression(enum.Enum):
    """The compression of a layer (OCI image spec, `layer.md`)."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


MAGIC_BYTES: Final = 10
"""The length of the longest magic number."""
_GZIP: Final = b"\x1f\x8b\x08"
"""RFC 1952: the magic number, and the only compression method."""
ZSTD_FRAME: Final = b"\x28\xb5\x2f\xfd"
"""RFC 8878: the magic number of a frame."""
_SKIPPABLE: Final = b"\x2a\x4d\x18"
"""RFC 8878: the magic number of a skippable frame, without its first byte, 0x50 to 0x5F."""
_FOREIGN: Final = {b"BZh.1AY&SY": "bzip2", b"\xfd7zXZ\0": "xz", b"\x04\x22\x4d\x18": "lz4"}
"""The magic numbers of formats that image layers never have. A dot stands for any byte, here a digit."""


def detect(magic: bytes) -> Compression:
    """Return the compression of a layer that begins with these `MAGIC_BYTES`.

    Raises:
        InvalidArgument: It is one that image layers never have.
    """
    if magic.startswith(_GZIP):
        return Compression.GZIP
    if magic.startswith(ZSTD_FRAME) or is_skippable(magic[:4]):
        return Compression.ZSTD
    for prefix, name in _FOREIGN.items():
        if re.match(prefix, magic, re.DOTALL):
            raise InvalidArgument(
                f"it is compressed with {name}: images have gzip, zstd or no compression; decompress it first"
            )
    return Compression.NONE


def is_skippable(magic: bytes) -> bool:
    """Return whether four bytes begin a skippable frame of Zstandard."""
    return len(magic) == 4 and magic[0] & 0xF0 == 0x50 and magic[1:] == _SKIPPABLE
