"""The records `Request` and `Upload`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from lamina.content import Blob
from lamina.registry.http._url import URL


@attrs.frozen(eq=False)
class BlobBody:
    """A body that is part of a blob."""

    blob: Blob
    start: int
    end: int
    """The position after its last byte."""
    progress: Callable[[int], object] = lambda _: None
    """Called with the position in the blob up to which it is sent."""


@attrs.frozen(eq=False, repr=False)
class Request:
    """A request. It has no `repr`, since its headers have secrets."""

    method: str
    url: URL
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes | BlobBody | None = None
    seconds: float | None = None
    """Seconds that the answer may take once everything is sent; None for the usual time."""
