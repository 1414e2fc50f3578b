"""Images: named root filesystems, each described by OCI documents and stored as blobs.

`ImageStore` keeps the names, as containerd does: an image is a name and the descriptor of a manifest or an index.
"""

from lamina.images._namespaces import DEFAULT_NAMESPACE, current_namespace, keyspace_of
from lamina.images._progress import Progress, Report
from lamina.images._store import Image, ImageStore
from lamina.images._transfer import Imported, Resolved, Transfer, Unpacked, Verified

__all__ = [
    "DEFAULT_NAMESPACE",
    "Image",
    "ImageStore",
    "Imported",
    "Progress",
    "Report",
    "Resolved",
    "Transfer",
    "Unpacked",
    "Verified",
    "current_namespace",
    "keyspace_of",
]
