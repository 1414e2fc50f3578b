"""Read layers, plain or compressed."""

from lamina.layers.compression._stream import Compression, LayerStream, open_layer

__all__ = ["Compression", "LayerStream", "open_layer"]
