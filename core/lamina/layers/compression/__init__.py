"""Read and write layers, plain or compressed."""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.layers.compression._magic import Compression
    from lamina.layers.compression._stream import LayerStream, open_layer
    from lamina.layers.compression._writer import LayerWriter

__all__ = ["Compression", "LayerStream", "LayerWriter", "open_layer"]

__getattr__ = lazy_exports(
    __name__,
    {
        "_magic": "Compression",
        "_stream": "LayerStream open_layer",
        "_writer": "LayerWriter",
    },
)
