"""The labels by which a manifest or an index keeps the blobs that it names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lamina.content import Descriptor
from lamina.images.documents._index import Index
from lamina.images.documents._manifest import Manifest
from lamina.images.documents._media_types import INDEX_TYPES, MANIFEST_TYPES

REFERENCE: Final = "containerd.io/gc.ref.content"
"""The prefix of labels by which a blob keeps others from being collected: `.config`, `.l.N` for layers, `.m.N` for
manifests (containerd, `docs/garbage-collection.md`)."""


def reference_labels(
    descriptor: Descriptor, data: bytes, is_present: Callable[[str], bool], *, keeps_layers: bool = True
) -> dict[str, str]:
    """Return the labels that a document's blob gets, which name the blobs that it refers to.

    Args:
        descriptor: The descriptor of the document.
        data: The whole document. Only manifests and indexes refer to other blobs.
        is_present: Returns whether an index's manifest with a digest is kept with it.
        keeps_layers: Whether a manifest keeps its layers.

    Raises:
        InvalidArgument: The document is malformed.
    """
    if descriptor.media_type in MANIFEST_TYPES:
        manifest = Manifest.decode(data, descriptor)
        kept = manifest.layers if keeps_layers else ()
        layers = {f"{REFERENCE}.l.{number}": layer.digest for number, layer in enumerate(kept)}
        return {f"{REFERENCE}.config": manifest.config.digest, **layers}
    if descriptor.media_type in INDEX_TYPES:
        digests = (entry.descriptor.digest for entry in Index.decode(data, descriptor).entries)
        return {f"{REFERENCE}.m.{number}": digest for number, digest in enumerate(filter(is_present, digests))}
    return {}
