"""The configuration of an image: its platform, its layers before compression, and how to run it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import attrs

from lamina.content import Descriptor
from lamina.errdefs import InvalidArgument
from lamina.images.documents._fields import Fields
from lamina.images.documents._json import decode
from lamina.images.documents._media_types import CONFIG_TYPES
from lamina.images.documents._platform import Platform


@attrs.frozen
class RootFS:
    """The layers of the root file system."""

    diff_ids: tuple[str, ...]
    """The digests of the uncompressed layers, from the lowest up."""


@attrs.frozen
class History:
    """One step of the build. `created` is as in the document: RFC 3339, or ""."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False
    """True if the step made no layer."""


@attrs.frozen
class ImageConfig:
    """An image configuration (OCI image spec, `config.md`)."""

    platform: Platform
    rootfs: RootFS
    config: Mapping[str, Any] = attrs.field(factory=dict)
    """The settings of its processes (`Env`, `Cmd`, …), as in the document."""
    history: tuple[History, ...] = ()
    created: str = ""
    """RFC 3339, or "" if the document does not say."""
    author: str = ""

    @classmethod
    def decode(cls, data: bytes, descriptor: Descriptor) -> Self:
        """Decode an image configuration.

        Args:
            data: The whole document.
            descriptor: Its descriptor, which is verified.

        Raises:
            InvalidArgument: See the package.
        """
        fields = decode(data, descriptor, "image configuration", CONFIG_TYPES)
        return cls(
            platform=Platform.from_fields(fields),
            rootfs=_root_fs(fields.object("rootfs")),
            config=fields.optional("config", dict) or {},
            history=tuple(map(_history, fields.objects("history"))),
            created=fields.optional_text("created"),
            author=fields.optional_text("author"),
        )


def _root_fs(fields: Fields) -> RootFS:
    kind = fields.optional_text("type")
    if kind not in ("", "layers"):
        raise InvalidArgument(f"{fields.where}: type {kind[:64]!r} is not supported: only 'layers' is")
    return RootFS(fields.digests("diff_ids"))


def _history(fields: Fields) -> History:
    return History(
        created=fields.optional_text("created"),
        created_by=fields.optional_text("created_by"),
        author=fields.optional_text("author"),
        comment=fields.optional_text("comment"),
        empty_layer=fields.optional("empty_layer", bool) or False,
    )
