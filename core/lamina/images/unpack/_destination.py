"""The destination of an unpack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import attrs

from lamina.errdefs import NotFound
from lamina.snapshots import Snapshotter

if TYPE_CHECKING:
    from lamina.images.unpack._layer import Layer

REMOTE: Final = "containerd.io/snapshot/remote"
"""The label of snapshots that a remote snapshotter has made (stargz-snapshotter, `targetRemoteSnapshotLabel`)."""


@attrs.frozen(eq=False, repr=False)
class Destination:
    """A keyspace of a snapshotter."""

    name: str
    """The id of the snapshotter's plugin."""
    snapshotter: Snapshotter
    """The snapshotter with this keyspace."""
    rebases: bool = False
    """True if a snapshot may get its parent at its commit (the capability `rebase`): then several layers are
    unpacked at a time."""

    def has(self, chain_id: str) -> bool:
        """Return whether there is a snapshot of a chain of layers."""
        try:
            self.snapshotter.stat(chain_id)
        except NotFound:
            return False
        return True

    def is_remote(self, chain_id: str) -> bool:
        """Return whether the snapshotter itself has made the snapshot of a chain of layers."""
        return REMOTE in self.snapshotter.stat(chain_id).labels

    def missing(self, layers: Sequence[Layer]) -> Sequence[Layer]:
        """Return those of an image's layers, from the lowest up, that lie on the topmost one with a snapshot."""
        for number in range(len(layers), 0, -1):
            if self.has(layers[number - 1].chain_id):
                return layers[number:]
        return layers
