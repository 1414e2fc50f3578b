"""OCI layouts with a small image."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

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


def layer_of(files: Mapping[str, bytes]) -> bytes:
    """Return a layer with files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
