"""OCI layouts with a small image."""

from __future__ import annotations

from lamina.images.documents import Platform
from tests.support.images import archives
from tests.support.images.documents import Documents

DEBIAN = "docker.io/library/debian:12"
"""The name of the image."""


def debian(*layers: bytes, platform: Platform | None = None) -> dict[str, bytes]:
    """Return the files of a layout.

    Args:
        layers: The uncompressed layers of the image.
        platform: Its platform; None for the host's.
    """
    documents = Documents()
    image = documents.manifest(platform or Platform.host(), "lamina", *layers)
    return archives.layout_of(documents, archives.entry(image, name=DEBIAN))
