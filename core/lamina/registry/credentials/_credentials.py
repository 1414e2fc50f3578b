"""The record `Credentials`."""

from __future__ import annotations

import attrs

from lamina.errdefs import InvalidArgument


@attrs.frozen
class Credentials:
    """The proof to a registry of who calls: a name and a password, or an identity token.

    The secrets are no part of its `repr`.
    """

    username: str = ""
    password: str = attrs.field(default="", repr=False)
    identity_token: str = attrs.field(default="", repr=False)
    """A refresh token of OAuth 2, which the token service of the registry exchanges for access tokens."""

    def __attrs_post_init__(self) -> None:
        if ":" in self.username:
            raise InvalidArgument("credentials: a user name cannot contain a colon (RFC 7617)")
