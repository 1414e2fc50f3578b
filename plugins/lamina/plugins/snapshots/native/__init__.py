"""The native snapshotter: each snapshot is a whole tree, copied from its parent's."""

from lamina.plugins.snapshots.native._backend import NativeBackend

__all__ = ["NativeBackend"]
