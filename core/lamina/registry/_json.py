"""JSON objects of strangers."""

from __future__ import annotations

import json


def parse_object(data: bytes) -> dict[str, object] | None:
    """Return the object that a document is; None if it is not JSON, or something else than an object."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
