"""The magic numbers of Zstandard frames. Apart from the decoder, whose library is slow to import."""

from __future__ import annotations

from typing import Final

MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"
"""The magic number of a skippable frame, without its first byte, 0x50 to 0x5F."""


def starts_frame(magic: bytes) -> bool:
    """Return whether four bytes begin a frame."""
    return magic == MAGIC or is_skippable(magic)


def is_skippable(magic: bytes) -> bool:
    """Return whether four bytes begin a skippable frame."""
    return len(magic) == 4 and magic[0] & 0xF0 == 0x50 and magic[1:] == _SKIPPABLE
