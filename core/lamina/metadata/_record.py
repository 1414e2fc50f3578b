"""The stored form of an image: a JSON object without the name, which is in the key."""

from __future__ import annotations

import json
from typing import Any

from lamina.content import Descriptor
from lamina.errdefs import DataLoss
from lamina.images import Image
from lamina.store import shorten


def encode(image: Image) -> bytes:
    """Encode an image."""
    target = image.target
    document = {
        "target": {
            "media_type": target.media_type,
            "digest": target.digest,
            "size": target.size,
            "annotations": dict(target.annotations),
        },
        "labels": dict(image.labels),
        "created": image.created,
        "updated": image.updated,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def decode(name: str, data: bytes) -> Image:
    """Decode an image.

    Raises:
        DataLoss: The bytes are not an encoded image.
    """
    try:
        document: dict[str, Any] = json.loads(data)
        return Image(name, **{**document, "target": Descriptor(**document["target"])})
    except (ValueError, TypeError, KeyError) as error:
        raise DataLoss(f"the record of image {shorten(name)} cannot be read: {error}") from error
