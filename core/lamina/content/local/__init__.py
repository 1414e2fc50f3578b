"""A content store in a directory of this machine.

Worked example::

    with LocalContentStore.open("/var/lib/example/content") as content:
        ingest(content, [NewBlob(digest, Blob(archive_fd, size, offset))])
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.content.local._store import BLOBS, LocalContentStore
    from lamina.content.local._writer import BLOB_MODE, LocalWriter

__all__ = ["BLOBS", "BLOB_MODE", "LocalContentStore", "LocalWriter"]

__getattr__ = lazy_exports(__name__, {"_store": "BLOBS LocalContentStore", "_writer": "BLOB_MODE LocalWriter"})
