"""The labels of blobs and snapshots that connect them."""

from __future__ import annotations

from typing import Final

from lamina.content import ContentStore
from lamina.errdefs import FailedPrecondition

UNCOMPRESSED: Final = "containerd.io/uncompressed"
"""The label of a layer's blob with its diff id, as containerd's unpacker sets it."""
SNAPSHOT: Final = "containerd.io/gc.ref.snapshot."
"""The prefix of the label of a configuration's blob with the chain id of its snapshot; the name of the snapshotter
follows. Garbage collectors keep such a snapshot."""
BASE: Final = "containerd.io/gc.ref.content.base"
"""The label of a snapshot with the digest of the manifest that it was made from, which garbage collectors keep."""


def add_label(content: ContentStore, digest: str, key: str, value: str) -> None:
    """Set a label of a blob, unless the store keeps no labels: then there is no garbage collector either."""
    if content.info(digest).labels.get(key) == value:
        return
    try:
        content.add_labels(digest, {key: value})
    except FailedPrecondition:
        return
