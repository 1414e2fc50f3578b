"""Documents as the OCI image specification shows them."""

from __future__ import annotations

import hashlib
from typing import Any

from lamina.content import Descriptor

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
