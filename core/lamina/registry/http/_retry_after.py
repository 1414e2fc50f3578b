"""The header `Retry-After` (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import email.utils
import re
import time

from lamina.registry.http._response import Response


def retry_after(response: Response) -> float | None:
    """Return the seconds after which a request may be repeated; None if the server does not say."""
    return parse_retry_after(response.headers.get("Retry-After", ""), time.time())


def parse_retry_after(text: str, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header means; None if it means nothing.

    Args:
        text: The header.
        now: The current time, in seconds since 1970.
    """
    text = text.strip()
    if re.fullmatch("[0-9]{1,9}", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
