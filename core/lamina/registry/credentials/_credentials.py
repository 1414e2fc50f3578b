"""The record `Credentials`."""

from __future__ import annotations

import base64
from typing import Final

import attrs

from lamina.errdefs import InvalidArgument

LOG_IN: Final = "log in with `podman login` or `docker login`, or pass --creds"
"""The remedy for missing and wrong credentials."""


@attrs.frozen
class Credentials:
    """The credentials for a registry: a name and a password, or a token.

    The secrets are not part of its `repr`.
    """

    username: str = ""
    password: str = attrs.field(default="", repr=False)
    identity_token: str = attrs.field(default="", repr=False)
    """A refresh token of OAuth 2, which the token service of the registry exchanges for access tokens."""
    registry_token: str = attrs.field(default="", repr=False)
    """An access token for the registry itself. It goes before the others."""

    def __attrs_post_init__(self) -> None:
        if ":" in self.username:
            raise InvalidArgument("credentials: a user name cannot contain a colon (RFC 7617)")

    @property
    def basic(self) -> str:
        """The header `Authorization` for the name and the password (RFC 7617)."""
        pair = f"{self.username}:{self.password}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
