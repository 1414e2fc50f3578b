"""Where images are unpacked to."""

from __future__ import annotations

import attrs

from lamina.errdefs import NotFound
from lamina.snapshots import Snapshotter


@attrs.frozen
class Destination:
    """A keyspace of a snapshotter."""

    name: str
    """The id of the snapshotter's plugin."""
    snapshotter: Snapshotter
    """The snapshotter with this keyspace."""
    rebases: bool = False
    """Whether a snapshot may get its parent at its commit (the capability `rebase`): then several layers are
    unpacked at a time."""

    def has(self, chain_id: str) -> bool:
        """Return whether there is a snapshot of a chain of layers."""
        try:
            self.snapshotter.stat(chain_id)
        except NotFound:
            return False
        return True
