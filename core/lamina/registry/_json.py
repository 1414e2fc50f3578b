"""JSON objects that are not trusted."""

from __future__ import annotations

import json


def parse_object(data: bytes) -> dict[str, object] | None:
    """Parse a document as a JSON object; return None if it is not one."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
