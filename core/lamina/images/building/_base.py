"""The image on which another one is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self, cast

import attrs

from lamina.content import ContentStore, Descriptor, read_blob
from lamina.errdefs import NotFound
from lamina.images.documents import (
    DOCKER_LAYER,
    DOCKER_LAYER_GZIP,
    DOCKER_LAYER_ZSTD,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    ImageConfig,
    Manifest,
    Platform,
    chain_ids,
    parse_json,
)
from lamina.layers import Compression, open_layer

OCI_TYPES: Final[Mapping[Compression, str]] = {
    Compression.NONE: OCI_LAYER,
    Compression.GZIP: OCI_LAYER_GZIP,
    Compression.ZSTD: OCI_LAYER_ZSTD,
}
"""The media types of layers."""
_AS_OCI: Final[Mapping[str, str]] = {
    DOCKER_LAYER: OCI_LAYER,
    DOCKER_LAYER_GZIP: OCI_LAYER_GZIP,
    DOCKER_LAYER_ZSTD: OCI_LAYER_ZSTD,
}
"""Docker's media types of layers, and those of OCI with the same meaning."""


@attrs.frozen
class Base:
    """An image on which another one is built."""

    manifest: Mapping[str, object]
    """The members of its manifest."""
    layers: Sequence[Mapping[str, object]]
    """The descriptors of its layers, from the lowest up, with OCI's media types."""
    config: Mapping[str, object]
    """The members of its configuration."""
    diff_ids: tuple[str, ...]

    @classmethod
    def empty(cls) -> Self:
        """Return an image without layers, for the host's platform."""
        return cls({}, (), Platform.host().document(), ())

    @classmethod
    def read(cls, content: ContentStore, descriptor: Descriptor) -> Self:
        """Read an image by its manifest. Its layers need not be there.

        Raises:
            NotFound: A document is missing.
            InvalidArgument: A document is malformed.
        """
        data = read_blob(content, descriptor.digest)
        manifest = Manifest.decode(data, descriptor)
        settings = read_blob(content, manifest.config.digest)
        config = ImageConfig.decode(settings, manifest.config)
        members = _members(data)
        described = cast("list[dict[str, object]]", members["layers"] or [])
        pairs = zip(described, manifest.layers, strict=True)
        return cls(
            manifest=members,
            layers=[{**one, "mediaType": _oci_type(content, layer)} for one, layer in pairs],
            config=_members(settings),
            diff_ids=config.rootfs.diff_ids,
        )

    @property
    def chain_id(self) -> str:
        """The name of the snapshot of all layers; "" without any."""
        return chain_ids(self.diff_ids)[-1] if self.diff_ids else ""

    @property
    def layer_digests(self) -> Iterator[str]:
        """The digests of its layers."""
        return (str(layer["digest"]) for layer in self.layers)


def _members(data: bytes) -> dict[str, Any]:
    """Return the members of a document that was decoded before."""
    return cast("dict[str, Any]", parse_json(data, "document"))


def _oci_type(content: ContentStore, layer: Descriptor) -> str:
    """Return OCI's media type of a layer. Some writers compress layers whose type in Docker is uncompressed."""
    known = _AS_OCI.get(layer.media_type, layer.media_type)
    if layer.media_type != DOCKER_LAYER:
        return known
    try:
        blob = content.open(layer.digest)
    except NotFound:  # discarded
        return known
    with blob, open_layer(blob.fd, offset=blob.offset, size=blob.size) as stream:
        return OCI_TYPES[stream.compression]
