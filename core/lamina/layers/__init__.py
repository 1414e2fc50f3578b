"""Image layers: read tar archives, plain or compressed, and apply them to a directory.

A layer is a tar archive whose entries are added to the tree below it, and whose whiteouts remove names of that
tree (OCI image spec, `layer.md`).
"""

from lamina.layers._entry import Entry, EntryType
from lamina.layers._stream import Compression, LayerStream, open_layer
from lamina.layers._tar import TarReader

__all__ = ["Compression", "Entry", "EntryType", "LayerStream", "TarReader", "open_layer"]
