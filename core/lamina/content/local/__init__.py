"""A content store in a directory of this machine.

Worked example::

    with LocalContentStore.open("/var/lib/example/content") as content:
        ingest(content, [NewBlob(digest, Blob(archive_fd, size, offset))])
"""

from lamina.content.local._store import LocalContentStore

__all__ = ["LocalContentStore"]
