"""Read and verify whole blobs, of any content store."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

from lamina.content._contract import ContentStore, Progress
from lamina.content._digest import check_digest
from lamina.errdefs import DataLoss, InvalidArgument

LARGEST_DOCUMENT: Final = 8 << 20
"""Bytes of the largest document that `read_blob` reads."""


def read_blob(store: ContentStore, digest: str, limit: int = LARGEST_DOCUMENT) -> bytes:
    """Return the data of a small blob, verified.

    Args:
        store: The store that has it.
        digest: Its digest.
        limit: Its maximum size in bytes.

    Raises:
        NotFound: There is no such blob.
        InvalidArgument: It is larger than `limit`.
        DataLoss: Its data does not have the digest.
    """
    import hashlib

    with store.open(check_digest(digest)) as blob:
        if blob.size > limit:
            raise InvalidArgument(
                f"blob {digest} has {blob.size} bytes, more than the {limit} that are read at once"
            )
        data = b"".join(blob.pieces())
    _compare(digest, hashlib.sha256(data).hexdigest())
    return data


def verify_blob(store: ContentStore, digest: str, progress: Progress | None = None) -> None:
    """Read a blob, and check that its data has its digest.

    Args:
        store: The store that has it.
        digest: Its digest.
        progress: Called with the number of bytes verified.

    Raises:
        NotFound: There is no such blob.
        DataLoss: Its data does not have the digest, or cannot be read.
        Canceled, DeadlineExceeded: The current call ended.
    """
    done = 0
    for piece in verified_pieces(store, digest):
        done += len(piece)
        if progress:
            progress(done)


def verified_pieces(store: ContentStore, digest: str) -> Generator[bytes]:
    """Yield the data of a blob in pieces of at most `PIECE` bytes. Wrong data is detected at the end.

    Raises:
        NotFound: There is no such blob.
        DataLoss: Its data does not have the digest, or cannot be read.
        Canceled, DeadlineExceeded: The current call ended.
    """
    import hashlib

    found = hashlib.sha256()
    with store.open(check_digest(digest)) as blob:
        for piece in blob.pieces():
            found.update(piece)
            yield piece
    _compare(digest, found.hexdigest())


def _compare(digest: str, found: str) -> None:
    if digest != f"sha256:{found}":
        raise DataLoss(
            f"blob {digest}: its data has digest sha256:{found}: the disk or another program damaged it; delete "
            "the blob and import it again"
        )
