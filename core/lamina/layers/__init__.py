"""Image layers: read tar archives, plain or compressed, and apply them to a directory.

A layer is a tar archive whose entries are added to the tree below it, and whose whiteouts remove names of that
tree (OCI image spec, `layer.md`).
"""

from lamina.layers._entry import Entry, EntryType
from lamina.layers.applying import Applied, Limits, ParentNeeded, Whiteouts, apply_layer, remove_idle_whiteouts
from lamina.layers.compression import Compression, LayerStream, open_layer
from lamina.layers.tar import TarReader

__all__ = [
    "Applied",
    "Compression",
    "Entry",
    "EntryType",
    "LayerStream",
    "Limits",
    "ParentNeeded",
    "TarReader",
    "Whiteouts",
    "apply_layer",
    "open_layer",
    "remove_idle_whiteouts",
]
