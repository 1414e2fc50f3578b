"""Blobs by digest: the parts of images, stored once, and verified while they are written.

A blob never changes. An *ingest* is a blob that is being written, under a *ref* of the writer's choice: it can be
continued after an interruption, and becomes a blob when it is committed with the right digest. The words are those
of containerd's content store.

Worked example::

    with content.writer("layer") as writer:
        writer.copy_from(Blob(archive_fd, size, offset))
        writer.commit(size=size, digest=digest)
    with content.open(digest) as blob:
        os.pread(blob.fd, 512, 0)

`ingest` stores many blobs at once, and `read_blob` reads a document.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.content._blob import PIECE, Blob
    from lamina.content._contract import ContentStore, Progress, Writer
    from lamina.content._descriptor import Descriptor
    from lamina.content._digest import check_digest
    from lamina.content._ingest import NewBlob, abort_ingest, ingest, open_writer
    from lamina.content._labels import BlobLabels
    from lamina.content._reading import LARGEST_DOCUMENT, read_blob, verified_pieces, verify_blob
    from lamina.content._records import Commit, Info, Status

__all__ = [
    "LARGEST_DOCUMENT",
    "PIECE",
    "Blob",
    "BlobLabels",
    "Commit",
    "ContentStore",
    "Descriptor",
    "Info",
    "NewBlob",
    "Progress",
    "Status",
    "Writer",
    "abort_ingest",
    "check_digest",
    "ingest",
    "open_writer",
    "read_blob",
    "verified_pieces",
    "verify_blob",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "_blob": "PIECE Blob",
        "_contract": "ContentStore Progress Writer",
        "_descriptor": "Descriptor",
        "_digest": "check_digest",
        "_ingest": "NewBlob abort_ingest ingest open_writer",
        "_labels": "BlobLabels",
        "_reading": "LARGEST_DOCUMENT read_blob verified_pieces verify_blob",
        "_records": "Commit Info Status",
    },
)
