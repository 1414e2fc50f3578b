"""Image layers: read tar archives, plain or compressed, and apply them to a directory.

A layer is a tar archive whose entries are added to the tree below it, and whose whiteouts remove names of that
tree (OCI image spec, `layer.md`). `apply_layer` does so in a directory, an `Applier` in the mounts of a snapshot.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.layers._applier import Applier, Blob
    from lamina.layers._entry import Entry, EntryType
    from lamina.layers._local_applier import LocalApplier
    from lamina.layers._rebasing import adapt_to_parent
    from lamina.layers.applying import (
        Applied,
        Limits,
        ParentNeeded,
        Whiteouts,
        apply_layer,
        remove_idle_whiteouts,
    )
    from lamina.layers.compression import Compression, LayerStream, open_layer
    from lamina.layers.tar import TarReader, TarWriter

__all__ = [
    "Applied",
    "Applier",
    "Blob",
    "Compression",
    "Entry",
    "EntryType",
    "LayerStream",
    "Limits",
    "LocalApplier",
    "ParentNeeded",
    "TarReader",
    "TarWriter",
    "Whiteouts",
    "adapt_to_parent",
    "apply_layer",
    "open_layer",
    "remove_idle_whiteouts",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_applier": "Applier Blob",
        "_entry": "Entry EntryType",
        "_local_applier": "LocalApplier",
        "_rebasing": "adapt_to_parent",
        "applying": "Applied Limits ParentNeeded Whiteouts apply_layer remove_idle_whiteouts",
        "compression": "Compression LayerStream open_layer",
        "tar": "TarReader TarWriter",
    },
)
