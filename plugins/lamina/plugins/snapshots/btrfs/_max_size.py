"""The label that limits the size of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lamina.errdefs import InvalidArgument
from lamina.snapshots.labels import MAX_SIZE

LARGEST: Final = 2**63 - 1
"""The largest size: containerd uses int64."""


def max_size(labels: Mapping[str, str]) -> int | None:
    """Parse the size limit of a snapshot in bytes; return None if it has no such label.

    Raises:
        InvalidArgument: The label is malformed.
    """
    text = labels.get(MAX_SIZE)
    if text is None:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST)) and 0 < int(text) <= LARGEST:
        return int(text)
    raise InvalidArgument(f"label {MAX_SIZE}={text[:64]}: expected bytes as a decimal number from 1 to {LARGEST}")
