"""Images: named root filesystems, each described by OCI documents and stored as blobs.

`ImageStore` keeps the names, as containerd does: an image is a name and the descriptor of a manifest or an index.
`Transfer` imports images from archives and unpacks them into snapshots.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.images._config_changes import ConfigChanges
    from lamina.images._contract import Transfer
    from lamina.images._local_transfer import LocalTransfer
    from lamina.images._lookup import find_image
    from lamina.images._namespaces import (
        DEFAULT_NAMESPACE,
        NAMESPACE_LIMIT,
        check_namespace,
        current_namespace,
        keyspace_of,
        namespace_of,
    )
    from lamina.images._progress import Progress, Report, What
    from lamina.images._results import (
        ArchiveFormat,
        Exported,
        Imported,
        LayerCompression,
        Pushed,
        Resolved,
        Unpacked,
        Verified,
    )
    from lamina.images._store import Image, ImageStore
    from lamina.images._temporary_lease import TemporaryLease

__all__ = [
    "DEFAULT_NAMESPACE",
    "NAMESPACE_LIMIT",
    "ArchiveFormat",
    "ConfigChanges",
    "Exported",
    "Image",
    "ImageStore",
    "Imported",
    "LayerCompression",
    "LocalTransfer",
    "Progress",
    "Pushed",
    "Report",
    "Resolved",
    "TemporaryLease",
    "Transfer",
    "Unpacked",
    "Verified",
    "What",
    "check_namespace",
    "current_namespace",
    "find_image",
    "keyspace_of",
    "namespace_of",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_config_changes": "ConfigChanges",
        "_local_transfer": "LocalTransfer",
        "_lookup": "find_image",
        "_namespaces": (
            "DEFAULT_NAMESPACE NAMESPACE_LIMIT check_namespace current_namespace keyspace_of namespace_of"
        ),
        "_progress": "Progress Report What",
        "_store": "Image ImageStore",
        "_temporary_lease": "TemporaryLease",
        "_results": "ArchiveFormat Exported Imported LayerCompression Pushed Resolved Unpacked Verified",
        "_contract": "Transfer",
    },
)
