"""Basic authentication (RFC 7617)."""

from __future__ import annotations

import base64

from lamina.registry.credentials import Credentials


def basic(credentials: Credentials) -> str:
    """Return the header `Authorization` for a user name and a password."""
    pair = f"{credentials.username}:{credentials.password}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
