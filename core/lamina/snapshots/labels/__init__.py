"""The rules for labels (containerd's `labels.Validate`), and the labels that mean something to a snapshotter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lamina.errdefs import InvalidArgument

LIMIT: Final = 4096
"""The most bytes that a label's key and value may have together."""
UPPERDIR: Final = "containerd.io/snapshot/overlay.upperdir"
"""Where the overlay snapshotter says which directory a snapshot's own files are in."""
UID_MAPPING: Final = "containerd.io/snapshot/uidmapping"
"""`container:host:size[,…]`: how the users of a container appear on the host."""
GID_MAPPING: Final = "containerd.io/snapshot/gidmapping"
"""As `UID_MAPPING`, for groups."""
MAX_SIZE: Final = "containerd.io/snapshot/max-size"
"""The most bytes that a snapshot may take up, a decimal number; a snapshotter may ignore it."""


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that are to be stored: those with a value.

    Args:
        labels: Labels as a caller gave them. An empty value stands for "no such label".

    Raises:
        InvalidArgument: A key and its value exceed `LIMIT` bytes together, or are not Unicode text.
    """
    for key, value in labels.items():
        try:
            size = len(key.encode()) + len(value.encode())
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"label {key[:64]!r}: not Unicode text: {error.reason}") from None
        if size > LIMIT:
            shown = key.encode()[:64].decode(errors="ignore")
            raise InvalidArgument(
                f"label {shown!r}: key and value have {size} bytes, more than the maximum of {LIMIT}"
            )
    return {key: value for key, value in labels.items() if value}
