"""The btrfs snapshotter: each snapshot is a subvolume."""

from lamina.plugins.snapshots.btrfs._backend import BtrfsBackend
from lamina.plugins.snapshots.btrfs._probe import probe

__all__ = ["BtrfsBackend", "probe"]
