"""Names in messages."""

from __future__ import annotations

import os
from typing import Final

_LONGEST: Final = 200
"""Maximum number of bytes of a name in a message."""


def quoted(name: bytes) -> str:
    """Return a name of an archive for a message: in quotes, on one line, shortened."""
    shown = os.fsdecode(name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…".encode())
    return repr(shown).replace("\\udc", "\\x")  # bytes that are not UTF-8
