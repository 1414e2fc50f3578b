"""The rules for labels (containerd's `labels.Validate`), and the labels that snapshotters interpret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lamina.errdefs import InvalidArgument

LIMIT: Final = 4096
"""The most bytes that a label's key and value may have together."""
UPPERDIR: Final = "containerd.io/snapshot/overlay.upperdir"
"""The directory with a snapshot's own files, shown by the overlay snapshotter."""
UID_MAPPING: Final = "containerd.io/snapshot/uidmapping"
"""The map of a container's users to users of the host: `container:host:size[,…]`."""
GID_MAPPING: Final = "containerd.io/snapshot/gidmapping"
"""The same map for groups."""
MAX_SIZE: Final = "containerd.io/snapshot/max-size"
"""The size limit of a snapshot in bytes, decimal; a snapshotter may ignore it."""


def check_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Check labels, and return those to be stored.

    Args:
        labels: Labels of a request. A label with an empty value is dropped.

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
