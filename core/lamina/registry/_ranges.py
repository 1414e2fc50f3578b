"""The headers that say which bytes of a blob an answer has."""

from __future__ import annotations

import re
from typing import Final

_CONTENT_RANGE: Final = re.compile(r"bytes[ =]([0-9]{1,18})-([0-9]{1,18})/(?:[0-9]{1,18}|\*)")
_UPLOADED: Final = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")


def content_range(text: str) -> tuple[int, int] | None:
    """Return the first and the last position of a header `Content-Range` (RFC 9110); None if it is malformed."""
    found = _CONTENT_RANGE.fullmatch(text.strip())
    return (int(found[1]), int(found[2])) if found else None


def uploaded(text: str) -> int | None:
    """Return the last position of a `Range` header about an upload (OCI distribution spec); None if malformed.

    `0-0` stands for one byte and for none, as registries have it.
    """
    found = _UPLOADED.fullmatch(text.strip())
    return int(found[1]) if found else None
