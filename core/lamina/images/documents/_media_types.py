"""The media types of image documents and layers (OCI image spec, `media-types.md`; Docker's schema 2)."""

from __future__ import annotations

from typing import Final

_OCI: Final = "application/vnd.oci.image"
_DOCKER: Final = "application/vnd.docker"

OCI_MANIFEST: Final = f"{_OCI}.manifest.v1+json"
"""A manifest."""
OCI_INDEX: Final = f"{_OCI}.index.v1+json"
"""An index."""
OCI_CONFIG: Final = f"{_OCI}.config.v1+json"
"""An image configuration."""
OCI_LAYER: Final = f"{_OCI}.layer.v1.tar"
"""A layer that is not compressed."""
OCI_LAYER_GZIP: Final = f"{OCI_LAYER}+gzip"
"""A layer compressed with gzip."""
OCI_LAYER_ZSTD: Final = f"{OCI_LAYER}+zstd"
"""A layer compressed with zstd."""

DOCKER_MANIFEST: Final = f"{_DOCKER}.distribution.manifest.v2+json"
"""Docker's manifest."""
DOCKER_INDEX: Final = f"{_DOCKER}.distribution.manifest.list.v2+json"
"""Docker's index, the manifest list."""
DOCKER_CONFIG: Final = f"{_DOCKER}.container.image.v1+json"
"""Docker's image configuration."""
DOCKER_LAYER: Final = f"{_DOCKER}.image.rootfs.diff.tar"
"""Docker's uncompressed layer, though some writers compress it."""
DOCKER_LAYER_GZIP: Final = f"{DOCKER_LAYER}.gzip"
"""Docker's layer, compressed with gzip."""
DOCKER_LAYER_ZSTD: Final = f"{DOCKER_LAYER}.zstd"
"""Docker's layer, compressed with zstd."""

MANIFEST_TYPES: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
"""The types of a `Manifest`."""
INDEX_TYPES: Final = frozenset({OCI_INDEX, DOCKER_INDEX})
"""The types of an `Index`."""
CONFIG_TYPES: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})
"""The types of an `ImageConfig`."""
LAYER_TYPES: Final = frozenset(
    {
        *(f"{_OCI}.layer.v1.tar{how}" for how in ("", "+gzip", "+zstd")),
        *(f"{_OCI}.layer.nondistributable.v1.tar{how}" for how in ("", "+gzip", "+zstd")),
        *(f"{DOCKER_LAYER}{how}" for how in ("", ".gzip", ".zstd")),
        *(f"{_DOCKER}.image.rootfs.foreign.diff.tar{how}" for how in ("", ".gzip")),
    }
)
"""The types of layers. A layer's content shows how it is compressed, not its type."""
