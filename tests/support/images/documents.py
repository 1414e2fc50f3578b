"""Documents as the OCI image specification shows them."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

from lamina.content import Descriptor
from lamina.errdefs import NotFound
from lamina.images.documents import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Index,
    IndexEntry,
    Manifest,
    Platform,
)

DIGEST = f"sha256:{'5b0bcabd1ed22e9fb1310cf6c2dec7cd' * 2}"
"""A digest of nothing."""
_LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": DIGEST, "size": 32654}
MANIFEST: dict[str, Any] = {
    "schemaVersion": 2,
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 7023},
    "layers": [_LAYER, _LAYER | {"annotations": {"com.example.layer": "second"}}],
    "annotations": {"com.example.key": "value"},
}
_ENTRY = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 7143}
INDEX: dict[str, Any] = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [
        _ENTRY | {"platform": {"architecture": "ppc64le", "os": "linux"}},
        _ENTRY | {"platform": {"architecture": "arm", "os": "linux", "variant": "v7"}},
        _ENTRY,
    ],
}
CONFIG: dict[str, Any] = {
    "created": "2015-10-31T22:22:56.015925234Z",
    "author": "Alyssa P. Hacker <alyspdev@example.com>",
    "architecture": "amd64",
    "os": "linux",
    "config": {"User": "alice", "Env": ["PATH=/usr/bin", "FOO=oci_is_a"], "Cmd": ["--foreground"]},
    "rootfs": {"type": "layers", "diff_ids": [DIGEST, DIGEST]},
    "history": [
        {"created": "2015-10-31T22:22:54.690851953Z", "created_by": "/bin/sh -c #(nop) ADD file"},
        {
            "created": "2015-10-31T22:22:55.613815829Z",
            "created_by": '/bin/sh -c #(nop) CMD ["sh"]',
            "empty_layer": True,
        },
    ],
}


def descriptor_of(data: bytes, media_type: str) -> Descriptor:
    """Describe a blob."""
    return Descriptor(media_type, f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))


def config_of(platform: Platform, author: str, *layers: bytes) -> dict[str, Any]:
    """Return the configuration of an image with these uncompressed layers."""
    diff_ids = [descriptor_of(layer, "").digest for layer in layers]
    return platform.document() | {"author": author, "rootfs": {"type": "layers", "diff_ids": diff_ids}}


class Documents:
    """The blobs of images, in memory."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.reads = 0

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a document."""
        self.reads += 1
        if descriptor.digest not in self.blobs:
            raise NotFound(f"blob {descriptor.digest}")
        return self.blobs[descriptor.digest]

    def add(self, data: bytes, media_type: str) -> Descriptor:
        """Keep a blob, and describe it."""
        descriptor = descriptor_of(data, media_type)
        self.blobs[descriptor.digest] = data
        return descriptor

    def add_json(self, value: object, media_type: str) -> Descriptor:
        """Keep a document, and describe it."""
        return self.add(json.dumps(value).encode(), media_type)

    def manifest(
        self, platform: Platform, author: str = "", *layers: bytes, media_type: str = OCI_CONFIG
    ) -> Descriptor:
        """Make an image.

        Args:
            platform: Its platform.
            author: Its author, which makes it another image.
            layers: The uncompressed layers, from the lowest up. They are compressed with gzip.
            media_type: The media type of its configuration.
        """
        config = self.add_json(config_of(platform, author, *layers), media_type)
        blobs = tuple(self.add(gzip.compress(layer, mtime=0), OCI_LAYER_GZIP) for layer in layers)
        return self.add_json(Manifest(OCI_MANIFEST, config, blobs).document(), OCI_MANIFEST)

    def index(self, *entries: tuple[Descriptor, Platform | None]) -> Descriptor:
        """Make an index of manifests or other indexes."""
        index = Index(OCI_INDEX, tuple(IndexEntry(*entry) for entry in entries))
        return self.add_json(index.document(), OCI_INDEX)
