"""Read blobs again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamina.content import ContentStore, verify_blob
from lamina.errdefs import DataLoss, NotFound
from lamina.images._results import Verified


def verify(content: ContentStore, digests: Sequence[str]) -> Iterator[Verified]:
    """Yield whether blobs have their digests: the given ones, or all if none are given.

    Raises:
        NotFound: One of `digests` is not there.
    """
    for digest in digests or (info.digest for info in content.walk()):
        try:
            yield _verified(content, digest)
        except NotFound:
            if digests:
                raise  # otherwise it was deleted meanwhile


def _verified(content: ContentStore, digest: str) -> Verified:
    size = content.info(digest).size
    try:
        verify_blob(content, digest)
    except DataLoss as error:
        return Verified(digest, size, str(error))
    return Verified(digest, size)
