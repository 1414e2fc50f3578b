"""The class `Place`: authorized requests to one repository."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import attrs

from lamina.errdefs import InvalidArgument
from lamina.registry._access import Limits
from lamina.registry._refusals import refusal
from lamina.registry._session import Session
from lamina.registry.authentication import Scopes
from lamina.registry.http import URL, BlobBody, Request, Response

_PATH: Final = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*")
"""OCI distribution spec, "Pulling manifests": `<name>`."""
_MAX_PATH: Final = 255
_MAX_CHALLENGE: Final = 65536
"""Maximum number of bytes of a challenge's body that are read to keep the connection."""
_USER_AGENT: Final = "lamina"
FINAL: Final = frozenset(range(200, 500)) - {408, 429}
"""Statuses that another attempt would not change."""


@attrs.frozen(eq=False)
class Place:
    """A repository: what requests for its blobs and manifests have in common."""

    session: Session
    path: str = attrs.field()

    @path.validator
    def _check(self, _: object, path: str) -> None:
        if len(path) > _MAX_PATH or not _PATH.fullmatch(path):
            raise InvalidArgument(f"repository {path[:80]!r}: expected lower-case components between slashes")

    def at(self, path: str) -> Place:
        """Return another repository of the registry."""
        return Place(self.session, path)

    @property
    def pull(self) -> Scopes:
        """The scope that is needed to read."""
        return frozenset({f"repository:{self.path}:pull"})

    @property
    def push(self) -> Scopes:
        """The scope that is needed to write."""
        return frozenset({f"repository:{self.path}:pull,push"})

    @property
    def limits(self) -> Limits:
        """The limits of the session."""
        return self.session.limits

    def url(self, rest: str) -> URL:
        """Return the URL of something in the repository."""
        base = self.session.base
        return attrs.evolve(base, path=f"{base.path}{self.path}/{rest}")

    def subject(self, what: str) -> str:
        """Return the beginning of a message."""
        return f"registry {self.session.host}, repository {self.path}: {what}"

    @contextmanager
    def request(
        self,
        method: str,
        url: URL,
        scopes: Scopes,
        subject: str,
        expected: Collection[int],
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | BlobBody | None = None,
        seconds: float | None = None,
    ) -> Iterator[Response]:
        """Send a request; the block works on the answer.

        Args:
            method: Such as GET.
            url: The URL. Only the registry's own origin gets the authorization.
            scopes: The operations of the request.
            subject: The same in words, to begin messages.
            expected: The statuses of answers that the block understands.
            headers: Further headers.
            body: The body.
            seconds: The time limit of the answer once everything is sent; None for the usual one.

        Raises:
            Error: The request failed, or the answer has another status.
        """
        request = Request(method, url, {"User-Agent": _USER_AGENT, **(headers or {})}, body, seconds)
        with self._send(request, scopes) as response:
            if response.status not in expected:
                raise refusal(response, subject, self.session.authorizer(self.path).secrets())
            yield response

    def _send(self, request: Request, scopes: Scopes) -> Response:
        if request.url.origin != self.session.base.origin:
            return self.session.client.send(request)
        authorizer = self.session.authorizer(self.path)
        header = authorizer.header(scopes)
        response = self.session.client.send(_authorized(request, header))
        challenges = response.headers.getlist("WWW-Authenticate")
        # What another origin demands is not answered: the credentials are for the registry alone.
        if response.status != 401 or not challenges or response.url.origin != self.session.base.origin:
            return response
        with response:
            response.read(_MAX_CHALLENGE)
        header = authorizer.answer(self.session.base, challenges, scopes, header)
        return self.session.client.send(_authorized(request, header))


def _authorized(request: Request, header: str) -> Request:
    return attrs.evolve(request, headers={**request.headers, "Authorization": header}) if header else request
