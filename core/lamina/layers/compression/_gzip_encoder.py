"""Compressing with gzip (RFC 1952)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isal import isal_zlib

if TYPE_CHECKING:
    from lamina.layers.compression._writer import Encoder

_LEVEL: Final = 2
"""Layers of Debian's files take 320 to 430 MB/s, and become an eighth larger than with zlib's level 6, which takes
20 to 30 MB/s. Level 3 saves one or two percent, and takes a quarter to a half more time."""
_WITH_HEADER: Final = 16 + 15
"""The size of the window in bits, and 16 for a header and a trailer of gzip."""


def new_gzip_encoder() -> Encoder:
    """Return an encoder of one member, whose header has no name and no time."""
    return isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _WITH_HEADER)
