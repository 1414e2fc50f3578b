"""The native snapshotter: each snapshot is a full copy of its parent's tree."""

from lamina.plugins.snapshots.native._backend import NativeBackend

__all__ = ["NativeBackend"]
