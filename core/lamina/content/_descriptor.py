"""The description of a blob."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Descriptor:
    """The type, digest and size of a blob (OCI image spec, `descriptor.md`)."""

    media_type: str
    digest: str
    """Algorithm and lower-case hexadecimal digits: `sha256:…`."""
    size: int
    """Bytes."""
    annotations: Mapping[str, str] = attrs.field(factory=dict)
