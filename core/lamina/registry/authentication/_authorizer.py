"""The class `Authorizer`."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from lamina.context import KeyedLock
from lamina.errdefs import FailedPrecondition, Unauthenticated
from lamina.registry._access import CredentialSource
from lamina.registry.authentication._challenges import Challenge, parse_challenges
from lamina.registry.authentication._token_service import Token, TokenService
from lamina.registry.credentials import LOG_IN, Credentials
from lamina.registry.http import URL, Client

_MAX_SCOPE: Final = 1024
"""Characters of a scope of a registry's own that are passed on to its token service."""

Scopes = frozenset[str]
"""The operations of a request, such as `repository:library/debian:pull`."""


class Authorizer:
    """Makes the header `Authorization` of requests for one repository. Any thread may use it.

    Tokens are kept in memory, by their scopes. The credentials are asked for when the registry wants to know.
    """

    def __init__(self, registry: str, repository: str, client: Client, source: CredentialSource) -> None:
        """Create an authorizer that knows nothing yet.

        Args:
            registry: The host, as in names of images.
            repository: The full name of the repository, with the host.
            client: Sends requests to the token service.
            source: Gives the credentials.
        """
        self._registry = registry
        self._repository = repository
        self._client = client
        self._source = source
        self._credentials: list[Credentials | None] = []
        """The credentials, once they were asked for."""
        self._service: TokenService | None = None
        self._is_basic = False
        self._tokens: dict[Scopes, Token] = {}
        self._given: list[str] = []
        """All tokens of the session, which the registry may repeat later."""
        self._additional: dict[Scopes, Scopes] = {}
        """Scopes that the registry wants in addition for a request."""
        self._fetching = KeyedLock()
        self._lock = threading.Lock()

    def header(self, scopes: Scopes) -> str:
        """Return the header for a request, as far as the registry said what it wants; "" for none.

        Raises:
            Error: As `TokenService.token`.
        """
        if self._is_basic and (credentials := self._known_credentials()):
            return credentials.basic
        if self._service:
            return self._bearer(self._service, scopes)
        return ""

    def answer(self, challenged: URL, challenges: Iterable[str], scopes: Scopes, refused: str) -> str:
        """Return the header with which to repeat a request that was answered with 401.

        Args:
            challenged: The URL of the request, which is the registry's own.
            challenges: The headers `WWW-Authenticate`.
            scopes: The operations of the request.
            refused: The header that was sent.

        Raises:
            Unauthenticated: There is nothing else to send.
            FailedPrecondition: The registry wants a scheme that lamina does not know.
            Error: As `TokenService.token`.
        """
        found = parse_challenges(challenges)
        for challenge in found:
            if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
                return self._answer_bearer(challenged, challenge, scopes, refused)
        if any(challenge.scheme == "basic" for challenge in found):
            return self._answer_basic(refused)
        schemes = ", ".join(challenge.scheme for challenge in found) or "no way to log in"
        raise FailedPrecondition(f"registry {self._registry}: it offers {schemes[:80]}; known: bearer, basic")

    def secrets(self) -> list[str]:
        """Return the texts that a message must not repeat."""
        found = list(self._given)
        for credentials in filter(None, self._credentials):
            found += [credentials.password, credentials.identity_token, credentials.registry_token]
            found.append(credentials.basic.removeprefix("Basic "))
        return [secret for secret in found if secret]

    def _answer_bearer(self, challenged: URL, challenge: Challenge, scopes: Scopes, refused: str) -> str:
        self._service = TokenService.of(self._registry, self._client, challenged, challenge)
        wanted = challenge.parameters.get("scope", "")
        if wanted and len(wanted) <= _MAX_SCOPE:
            self._additional[scopes] = frozenset(wanted.split())
        with self._fetching.hold(scopes):
            token = self._tokens.get(scopes)
            if token and f"Bearer {token.value}" == refused:
                del self._tokens[scopes]
        return self._bearer(self._service, scopes)

    def _bearer(self, service: TokenService, scopes: Scopes) -> str:
        credentials = self._known_credentials()
        given = credentials.registry_token if credentials else ""
        return f"Bearer {given or self._token(service, scopes).value}"

    def _answer_basic(self, refused: str) -> str:
        self._is_basic = True
        credentials = self._known_credentials()
        if credentials is None or not (credentials.username or credentials.password):
            raise Unauthenticated(f"registry {self._registry}: it requires a user name and a password: {LOG_IN}")
        header = credentials.basic
        if header == refused:
            raise Unauthenticated(f"registry {self._registry}: it refuses user {credentials.username!r}: {LOG_IN}")
        return header

    def _token(self, service: TokenService, scopes: Scopes) -> Token:
        with self._fetching.hold(scopes):
            token = self._tokens.get(scopes)
            if token is None or not token.is_valid:
                wanted = sorted(scopes | self._additional.get(scopes, frozenset()))
                token = service.token(wanted, self._known_credentials())
                self._tokens[scopes] = token
                self._given.append(token.value)
            return token

    def _known_credentials(self) -> Credentials | None:
        with self._lock:
            if not self._credentials:
                self._credentials.append(self._source(self._repository))
            return self._credentials[0]
