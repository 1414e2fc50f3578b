"""Unpack images: turn the layers of an image into committed snapshots, by the `Snapshotter` contract alone.

Each layer becomes a snapshot on top of that of the layers below it. Its name is the chain id, a digest of all of
them, so that images share the snapshots of layers that they share. A snapshot is committed only if its layer had
the digest that the image states; one that is there already is used as it is, and its layer is not read.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.images.unpack._arrivals import Arrivals, arriving
    from lamina.images.unpack._destination import Destination
    from lamina.images.unpack._layer import Layer, layers_of
    from lamina.images.unpack._unpacker import Unpacker

__all__ = ["Arrivals", "Destination", "Layer", "Unpacker", "arriving", "layers_of"]

__getattr__ = lazy_exports(
    __name__,
    {
        "_arrivals": "Arrivals arriving",
        "_destination": "Destination",
        "_layer": "Layer layers_of",
        "_unpacker": "Unpacker",
    },
)
