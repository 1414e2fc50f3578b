"""The index of an image: its manifests for different platforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

import attrs

from lamina.content import Descriptor
from lamina.images.documents._fields import Fields
from lamina.images.documents._json import decode
from lamina.images.documents._manifest import descriptor_document, refuse_ambiguity
from lamina.images.documents._media_types import INDEX_TYPES
from lamina.images.documents._platform import Platform

_REFERENCE_TYPE: Final = "vnd.docker.reference.type"
"""The annotation by which BuildKit marks manifests about another one (BuildKit, `attestation-storage.md`)."""


@attrs.frozen
class IndexEntry:
    """One manifest, or a nested index."""

    descriptor: Descriptor
    platform: Platform | None = None
    """The platform that it runs on; None if the index does not say."""

    @property
    def is_attestation(self) -> bool:
        """True if it only says something about another entry, such as how that was built."""
        unknown = self.platform is not None and self.platform.architecture == self.platform.os == "unknown"
        return unknown or _REFERENCE_TYPE in self.descriptor.annotations


@attrs.frozen
class Index:
    """An index (OCI image spec, `image-index.md`), or Docker's manifest list."""

    media_type: str
    entries: tuple[IndexEntry, ...]
    annotations: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def decode(cls, data: bytes, descriptor: Descriptor) -> Self:
        """Decode an index.

        Args:
            data: The whole document.
            descriptor: Its descriptor, which is verified.

        Raises:
            InvalidArgument: See the package.
        """
        fields = decode(data, descriptor, "index", INDEX_TYPES)
        refuse_ambiguity(fields, has=("manifests",), has_not=("config", "layers", "fsLayers"))
        return cls(
            media_type=descriptor.media_type,
            entries=tuple(map(_entry, fields.objects("manifests"))),
            annotations=fields.text_map("annotations"),
        )

    def document(self) -> dict[str, object]:
        """Return the index as JSON values."""
        return {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [_entry_document(entry) for entry in self.entries],
            **({"annotations": dict(self.annotations)} if self.annotations else {}),
        }


def _entry(fields: Fields) -> IndexEntry:
    members = fields.optional("platform", dict) or {}
    named = members.get("os") and members.get("architecture")  # both are empty for anything but an image
    platform = Platform.from_fields(Fields(members, f"{fields.where}: platform")) if named else None
    return IndexEntry(fields.descriptor(), platform)


def _entry_document(entry: IndexEntry) -> dict[str, object]:
    document = descriptor_document(entry.descriptor)
    return document if entry.platform is None else document | {"platform": entry.platform.document()}
