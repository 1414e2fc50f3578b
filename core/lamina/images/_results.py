"""The arguments and results of a `Transfer`."""

from __future__ import annotations

from typing import Literal, TypeAlias

import attrs

from lamina.content import Descriptor
from lamina.images._store import Image

LayerCompression: TypeAlias = Literal["gzip", "zstd", "none"]
"""Compressions of a layer."""
ArchiveFormat: TypeAlias = Literal["oci", "oci-dir", "docker"]
"""Formats of an archive, see `Transfer.export`."""


@attrs.frozen
class Unpacked:
    """The snapshot of an image."""

    image: str
    """The name of the image."""
    snapshotter: str
    """By this name, the snapshots service of a host finds the snapshot: `overlayfs/images/default`."""
    chain_id: str
    """The name of the snapshot."""


@attrs.frozen
class Imported:
    """The result of an import."""

    images: tuple[Image, ...]
    unpacked: tuple[Unpacked, ...] = ()


@attrs.frozen
class Exported:
    """The result of an export."""

    images: tuple[Image, ...]
    size: int
    """The bytes of all blobs."""


@attrs.frozen
class Pushed:
    """The result of a push."""

    name: str
    """The full name under which the registry has the image."""
    target: Descriptor
    """The manifest or index that the name stands for. It is another one than that of the image if not all of its
    platforms were there, or one was chosen."""


@attrs.frozen
class Resolved:
    """The parts of an image for one platform."""

    image: Image
    platform: str
    """Such as `linux/amd64`."""
    manifest: Descriptor
    config: Descriptor
    layers: tuple[Descriptor, ...]
    """From the lowest up."""
    diff_ids: tuple[str, ...]
    """The digests of the uncompressed layers."""
    chain_id: str
    """The name of the snapshot of all layers."""


@attrs.frozen
class Verified:
    """A blob that was read again."""

    digest: str
    size: int
    """Bytes."""
    problem: str = ""
    """The damage; "" if the blob is intact."""
