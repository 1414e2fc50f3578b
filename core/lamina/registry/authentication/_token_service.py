"""The token service of a registry (distribution, `docs/spec/auth`)."""

from __future__ import annotations

import re
import time
import urllib.parse
from collections.abc import Iterable
from typing import Final

import attrs

from lamina.errdefs import FailedPrecondition, PermissionDenied, Unauthenticated
from lamina.registry._json import parse_object
from lamina.registry.authentication._challenges import Challenge
from lamina.registry.credentials import LOG_IN, Credentials
from lamina.registry.http import URL, Client, Request, Response, Temporary, TooManyRequests, retry_after

_MAX_ANSWER: Final = 1 << 20
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,65536}")
"""Tokens that a header can hold."""
_SHORTEST_LIFE: Final = 60.0
"""Seconds that a token without `expires_in`, or with less, is valid (`docs/spec/auth/token.md`)."""
_LONGEST_LIFE: Final = 86400.0
_MARGIN: Final = 10.0
"""Seconds before its end from which on a token is no longer used: a request takes time."""
_CLIENT_ID: Final = "lamina"


@attrs.frozen
class Token:
    """An access token."""

    value: str = attrs.field(repr=False)
    expires: float
    """By `time.monotonic()`."""

    @property
    def is_valid(self) -> bool:
        """True as long as a request may be sent with it."""
        return time.monotonic() < self.expires - _MARGIN


@attrs.frozen(eq=False, repr=False)
class TokenService:
    """Gives out tokens for a registry."""

    registry: str
    """Its host, for messages."""
    _client: Client
    realm: URL
    service: str

    @classmethod
    def of(cls, registry: str, client: Client, base: URL, challenge: Challenge) -> TokenService:
        """Return the service that a challenge names.

        Args:
            registry: The host of the registry.
            client: Sends the requests to the service.
            base: The URL that was challenged.
            challenge: Its challenge, of the scheme bearer.

        Raises:
            FailedPrecondition: The name is malformed, or without TLS where there must be TLS.
        """
        realm = client.follow(base, challenge.parameters.get("realm", ""))
        return cls(registry, client, realm, challenge.parameters.get("service", ""))

    def token(self, scopes: Iterable[str], credentials: Credentials | None) -> Token:
        """Return a new token.

        Args:
            scopes: The operations that the token allows, such as `repository:library/debian:pull`.
            credentials: The credentials of the caller; None to stay anonymous.

        Raises:
            Unauthenticated: The credentials are wrong, or needed.
            PermissionDenied: The service refuses.
            FailedPrecondition: Its answer makes no sense.
            Temporary, TooManyRequests: It failed, and may not do so at the next attempt.
        """
        if credentials and credentials.identity_token:
            request = self._exchange(scopes, credentials.identity_token)
        else:
            request = self._question(scopes, credentials)
        with self._client.send(request) as response:
            if response.status != 200:
                raise self._refusal(response, credentials)
            return self._token(response.read(_MAX_ANSWER))

    def _question(self, scopes: Iterable[str], credentials: Credentials | None) -> Request:
        url = self.realm.with_parameter("service", self.service) if self.service else self.realm
        for scope in scopes:
            url = url.with_parameter("scope", scope)
        return Request("GET", url, {"Authorization": credentials.basic} if credentials else {})

    def _exchange(self, scopes: Iterable[str], identity_token: str) -> Request:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": identity_token,
            "service": self.service,
            "scope": " ".join(scopes),
            "client_id": _CLIENT_ID,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", self.realm, headers, urllib.parse.urlencode(form).encode())

    def _token(self, data: bytes) -> Token:
        found = parse_object(data) or {}
        value = found.get("token") or found.get("access_token")
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise FailedPrecondition(f"{self._subject}: its answer has no token")
        return Token(value, time.monotonic() + _life(found.get("expires_in")))

    def _refusal(self, response: Response, credentials: Credentials | None) -> Exception:
        message = f"{self._subject}: it answered {response.status}"
        if response.status == 429:
            return TooManyRequests(message, retry_after(response))
        if response.status >= 500:
            return Temporary(message, retry_after(response))
        if response.status in {400, 401} and credentials:
            return Unauthenticated(f"{message}: check the user name and the password: {LOG_IN}")
        if response.status == 401:
            return Unauthenticated(f"{message}: {LOG_IN}")
        if response.status == 403:
            return PermissionDenied(message)
        return FailedPrecondition(message)

    @property
    def _subject(self) -> str:
        return f"token service {self.realm} of registry {self.registry}"


def _life(seconds: object) -> float:
    if isinstance(seconds, int | float) and seconds > _SHORTEST_LIFE:
        return min(seconds, _LONGEST_LIFE)
    return _SHORTEST_LIFE
