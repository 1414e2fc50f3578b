"""The layers of an image, as they are unpacked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from lamina.content import Descriptor
from lamina.errdefs import InvalidArgument
from lamina.images.documents import ImageConfig, Manifest, chain_ids
from lamina.snapshots.labels import GID_MAPPING, MAX_SIZE, UID_MAPPING

_INHERITED: Final = "containerd.io/snapshot/"
"""The prefix of annotations that become labels of a layer's snapshot (containerd, `FilterInheritedLabels`)."""
_NOT_INHERITED: Final = frozenset({UID_MAPPING, GID_MAPPING, MAX_SIZE})
"""Labels that change what a snapshot is; an image has no say in that."""
_REF: Final = "containerd.io/snapshot.ref"
_DIFF_ID: Final = "containerd.io/snapshot/diff-id"
_PARENT_CHAIN_ID: Final = "containerd.io/snapshot/parent-chain-id"


@attrs.frozen
class Layer:
    """A layer of an image, and its place."""

    descriptor: Descriptor
    diff_id: str
    """The digest of the uncompressed layer."""
    chain_id: str
    """The name of its snapshot."""
    parent: str
    """The chain id of the layers below, or ""."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of its snapshot, which remote snapshotters use (containerd's unpacker)."""
        annotations = self.descriptor.annotations
        inherited = {key: value for key, value in annotations.items() if key.startswith(_INHERITED)}
        labels = {key: value for key, value in inherited.items() if key not in _NOT_INHERITED}
        labels |= {_REF: self.chain_id, _DIFF_ID: self.diff_id}
        return labels | {_PARENT_CHAIN_ID: self.parent} if self.parent else labels


def layers_of(manifest: Manifest, config: ImageConfig) -> list[Layer]:
    """Return the layers of an image, from the lowest up.

    Raises:
        InvalidArgument: The documents do not agree on their number.
    """
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) != len(manifest.layers):
        raise InvalidArgument(
            f"image with configuration {manifest.config.digest}: its manifest has {len(manifest.layers)} layers, "
            f"and its configuration {len(diff_ids)} diff ids; build it again"
        )
    chain = chain_ids(diff_ids)
    return [Layer(*one) for one in zip(manifest.layers, diff_ids, chain, ("", *chain), strict=False)]
