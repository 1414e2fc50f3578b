"""The btrfs snapshotter: each snapshot is a subvolume."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.plugins.snapshots.btrfs._backend import BtrfsBackend
    from lamina.plugins.snapshots.btrfs._probe import probe

__all__ = ["BtrfsBackend", "probe"]

__getattr__ = lazy_exports(__name__, {"_backend": "BtrfsBackend", "_probe": "probe"})
