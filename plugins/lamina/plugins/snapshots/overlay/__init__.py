"""The overlay snapshotter: each snapshot is one directory, and overlayfs stacks them."""

from lamina.plugins.snapshots.overlay._backend import OverlayBackend
from lamina.plugins.snapshots.overlay._probe import probe, remaps_ids

__all__ = ["OverlayBackend", "probe", "remaps_ids"]
