"""Blobs that tests fetch from registries into content stores."""

from __future__ import annotations

from lamina.content import ContentStore, Descriptor, read_blob
from lamina.registry import Repository

_LARGEST = 1 << 26


def download(repository: Repository, descriptor: Descriptor, store: ContentStore, begin: bytes = b"") -> bytes:
    """Fetch a blob into a store and return what the store has.

    Args:
        repository: Where the blob is.
        descriptor: The blob.
        store: Where it goes.
        begin: What an interrupted attempt has written already.
    """
    with store.writer(f"test-{descriptor.digest}", digest=descriptor.digest, size=descriptor.size) as writer:
        if begin:
            writer.write(begin)
        repository.fetch(descriptor, writer)
        writer.commit(size=descriptor.size, digest=descriptor.digest)
    return read_blob(store, descriptor.digest, _LARGEST)
