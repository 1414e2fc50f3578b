"""The native snapshotter: each snapshot is a full copy of its parent's tree."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.plugins.snapshots.native._backend import NativeBackend

__all__ = ["NativeBackend"]

__getattr__ = lazy_exports(__name__, {"_backend": "NativeBackend"})
