"""OCI image documents: manifests, indexes and image configurations, in OCI's and in Docker's media types.

Documents are not trusted. `decode` methods verify digest and size, limit what they read (`MAX_BYTES`,
`MAX_VALUES`, `MAX_DEPTH`, `MAX_LAYERS`), check every type, and refuse what two programs could understand
differently: duplicate keys, a document that is both a manifest and an index (CVE-2021-41190), a media type that
contradicts the descriptor's.
Whatever is wrong raises `lamina.errdefs.InvalidArgument`. Unknown members are ignored, as the specification asks.

The source of all fields and media types is the OCI image specification, version 1.1, and Docker's "Image Manifest
Version 2, Schema 2".
"""

from lamina.images.documents._chain_ids import chain_ids
from lamina.images.documents._fields import Fields
from lamina.images.documents._image_config import History, ImageConfig, RootFS
from lamina.images.documents._index import Index, IndexEntry
from lamina.images.documents._json import MAX_BYTES, MAX_DEPTH, MAX_VALUES, describe, parse_json
from lamina.images.documents._manifest import MAX_LAYERS, Manifest
from lamina.images.documents._media_types import (
    CONFIG_TYPES,
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_LAYER_ZSTD,
    DOCKER_MANIFEST,
    INDEX_TYPES,
    LAYER_TYPES,
    MANIFEST_TYPES,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
)
from lamina.images.documents._platform import Platform
from lamina.images.documents._references import REFERENCE, reference_labels

__all__ = [
    "CONFIG_TYPES",
    "DOCKER_CONFIG",
    "DOCKER_INDEX",
    "DOCKER_LAYER",
    "DOCKER_LAYER_GZIP",
    "DOCKER_LAYER_ZSTD",
    "DOCKER_MANIFEST",
    "INDEX_TYPES",
    "LAYER_TYPES",
    "MANIFEST_TYPES",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_LAYERS",
    "MAX_VALUES",
    "OCI_CONFIG",
    "OCI_INDEX",
    "OCI_LAYER",
    "OCI_LAYER_GZIP",
    "OCI_LAYER_ZSTD",
    "OCI_MANIFEST",
    "REFERENCE",
    "Fields",
    "History",
    "ImageConfig",
    "Index",
    "IndexEntry",
    "Manifest",
    "Platform",
    "RootFS",
    "chain_ids",
    "describe",
    "parse_json",
    "reference_labels",
]
