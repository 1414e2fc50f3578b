"""The overlay snapshotter: each snapshot is a directory, and overlayfs stacks them."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.plugins.snapshots.overlay._backend import OverlayBackend
    from lamina.plugins.snapshots.overlay._probe import probe

__all__ = ["OverlayBackend", "probe"]

__getattr__ = lazy_exports(__name__, {"_backend": "OverlayBackend", "_probe": "probe"})
