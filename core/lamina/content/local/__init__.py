"""A content store in a directory of this machine.

Worked example::

    with LocalContentStore.open("/var/lib/example/content") as content:
        ingest(content, [NewBlob(digest, Blob(archive_fd, size, offset))])
"""

from lamina.content.local._store import BLOBS, LocalContentStore
from lamina.content.local._writer import BLOB_MODE

__all__ = ["BLOBS", "BLOB_MODE", "LocalContentStore"]
