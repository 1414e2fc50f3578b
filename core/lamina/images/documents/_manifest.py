"""The manifest of an image: its configuration and its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

import attrs

from lamina.content import Descriptor
from lamina.errdefs import InvalidArgument
from lamina.images.documents._fields import Fields
from lamina.images.documents._json import decode
from lamina.images.documents._media_types import CONFIG_TYPES, MANIFEST_TYPES

MAX_LAYERS: Final = 1000
"""Maximum number of layers of an image. Docker makes 127 at most, and the kernel mounts 500 in an overlay."""


@attrs.frozen
class Manifest:
    """A manifest (OCI image spec, `manifest.md`)."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    """From the lowest up."""
    annotations: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def decode(cls, data: bytes, descriptor: Descriptor) -> Self:
        """Decode a manifest.

        Args:
            data: The whole document.
            descriptor: Its descriptor, which is verified.

        Raises:
            InvalidArgument: See the package.
        """
        fields = decode(data, descriptor, "manifest", MANIFEST_TYPES)
        refuse_ambiguity(fields, has=("config", "layers"), has_not=("manifests", "fsLayers"))
        layers = tuple(layer.descriptor() for layer in fields.objects("layers"))
        if len(layers) > MAX_LAYERS:
            raise InvalidArgument(f"{fields.where}: {len(layers)} layers: at most {MAX_LAYERS} are allowed")
        return cls(
            media_type=descriptor.media_type,
            config=fields.object("config").descriptor(),
            layers=layers,
            annotations=fields.text_map("annotations"),
        )

    @property
    def is_image(self) -> bool:
        """True if it describes a root file system: other artifacts have another type of configuration."""
        return self.config.media_type in CONFIG_TYPES

    def document(self) -> dict[str, object]:
        """Return the manifest as JSON values."""
        return {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": descriptor_document(self.config),
            "layers": [descriptor_document(layer) for layer in self.layers],
            **({"annotations": dict(self.annotations)} if self.annotations else {}),
        }


def refuse_ambiguity(fields: Fields, *, has: tuple[str, ...], has_not: tuple[str, ...]) -> None:
    """Check that a document is of one kind only, even for readers that ignore the case of keys, as Go's do.

    Args:
        fields: The document.
        has: The members that its kind has.
        has_not: Members of other kinds of documents.

    Raises:
        InvalidArgument: It has a member of another kind, a key in another case, or another schema version.
    """
    known = {"schemaVersion", "mediaType", *has}
    folded = {name.casefold() for name in (*known, *has_not)}
    for key in fields.members:
        if key not in known and key.casefold() in folded:
            raise InvalidArgument(f"{fields.where}: it has {key!r}: it could be read as something else")
    version = fields.required("schemaVersion", int)
    if version != 2:
        raise InvalidArgument(f"{fields.where}: schema version {version}: only 2 is supported; convert the image")


def descriptor_document(descriptor: Descriptor) -> dict[str, object]:
    """Return a descriptor as JSON values."""
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
        **({"annotations": dict(descriptor.annotations)} if descriptor.annotations else {}),
    }
