"""Make images: of snapshots that were changed, and of other images by changing their configuration.

Whatever lamina makes is an OCI image with one manifest. The documents of the image below are the basis of the new
ones, with all members that lamina does not know. The same input gives the same documents and digests, if their
time is given.
"""

from typing import TYPE_CHECKING

from lamina.images._labels import BASE
from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.images.building._builder import Builder
    from lamina.images.building._layer import LayerSource

__all__ = ["BASE", "Builder", "LayerSource"]

__getattr__ = lazy_exports(__name__, {"_builder": "Builder", "_layer": "LayerSource"})
