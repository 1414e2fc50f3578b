"""Digests: the names of blobs, computed from their content."""

from __future__ import annotations

import re
from typing import Final

from lamina.errdefs import InvalidArgument

_SHA256: Final = re.compile(r"sha256:[0-9a-f]{64}")
_SHOWN: Final = 128
"""Maximum number of characters of a malformed digest in a message."""


def check_digest(digest: str) -> str:
    """Return the digest unchanged if blobs can be stored under it (OCI image spec, `descriptor.md`).

    Raises:
        InvalidArgument: It is not SHA-256 with 64 lower-case hexadecimal digits.
    """
    if _SHA256.fullmatch(digest):
        return digest
    shown = digest[:_SHOWN]
    algorithm, colon, _ = shown.partition(":")
    if colon and algorithm != "sha256":
        raise InvalidArgument(f"digest {shown!r}: algorithm {algorithm!r} is not supported: use sha256")
    raise InvalidArgument(f"digest {shown!r}: expected sha256: and 64 lower-case hexadecimal digits")
