"""Image layers: read and write tar archives, plain or compressed; apply layers to trees, and make them of trees.

A layer is a tar archive whose entries are added to the tree below it, and whose whiteouts remove names of that
tree (OCI image spec, `layer.md`). `apply_layer` does so in a directory, a `Differ` in the mounts of a snapshot;
its `compare` writes the layer that turns one snapshot into another.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.layers._contract import Applier, Blob, Differ
    from lamina.layers._entry import Entry, EntryType
    from lamina.layers._local_differ import LocalDiffer
    from lamina.layers._rebasing import RootAttributes, adapt_to_parent
    from lamina.layers._written import WrittenLayer
    from lamina.layers.applying import (
        Applied,
        Limits,
        ParentNeeded,
        Whiteouts,
        apply_layer,
        remove_idle_whiteouts,
    )
    from lamina.layers.compression import Compression, LayerStream, LayerWriter, open_layer
    from lamina.layers.tar import TarReader, TarWriter

__all__ = [
    "Applied",
    "Applier",
    "Blob",
    "Compression",
    "Differ",
    "Entry",
    "EntryType",
    "LayerStream",
    "LayerWriter",
    "Limits",
    "LocalDiffer",
    "ParentNeeded",
    "RootAttributes",
    "TarReader",
    "TarWriter",
    "Whiteouts",
    "WrittenLayer",
    "adapt_to_parent",
    "apply_layer",
    "open_layer",
    "remove_idle_whiteouts",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_contract": "Applier Blob Differ",
        "_entry": "Entry EntryType",
        "_local_differ": "LocalDiffer",
        "_rebasing": "RootAttributes adapt_to_parent",
        "_written": "WrittenLayer",
        "applying": "Applied Limits ParentNeeded Whiteouts apply_layer remove_idle_whiteouts",
        "compression": "Compression LayerStream LayerWriter open_layer",
        "tar": "TarReader TarWriter",
    },
)
