"""The overlay snapshotter: each snapshot is a directory, and overlayfs stacks them."""

from lamina.plugins.snapshots.overlay._backend import OverlayBackend
from lamina.plugins.snapshots.overlay._probe import can_remap_ids, probe

__all__ = ["OverlayBackend", "can_remap_ids", "probe"]
