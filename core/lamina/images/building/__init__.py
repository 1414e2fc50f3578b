"""Make images: of snapshots that were changed, and of other images by changing their configuration.

lamina always makes an OCI image with one manifest. The new documents are based on those of the image below, with
all members that lamina does not know. The same input and time give the same documents and digests.
"""

from typing import TYPE_CHECKING

from lamina.images._labels import BASE
from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.images.building._builder import Builder
    from lamina.images.building._layer import LayerSource

__all__ = ["BASE", "Builder", "LayerSource"]

__getattr__ = lazy_exports(__name__, {"_builder": "Builder", "_layer": "LayerSource"})
