"""The class `Session`: authorized requests to one registry."""

from __future__ import annotations

import os
import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import attrs

from lamina.errdefs import InvalidArgument
from lamina.registry._access import Access, Limits
from lamina.registry._refusals import refusal
from lamina.registry.authentication import Authorizer, Scopes
from lamina.registry.http import URL, BlobBody, Client, Proxies, Request, Response

_MAX_CHALLENGE: Final = 65536
"""Bytes of the body of a challenge that are read, to keep the connection."""
_HUB: Final = "registry-1.docker.io"
"""Where the registry `docker.io` is."""
USER_AGENT: Final = "lamina"


class Session:
    """Sends requests to one registry, with what it wants as authorization. Any thread may use it."""

    def __init__(self, host: str, access: Access) -> None:
        """Create a session without a connection.

        Args:
            host: The registry, as in names of images: a name or an address, and a port.
            access: How it is reached.

        Raises:
            InvalidArgument: The host, or a certificate, is malformed.
        """
        self.host = host
        self.limits: Limits = access.limits
        self.base = base_url(host, access)
        self._client = Client(
            _context(access),
            Proxies(os.environ),
            connect_seconds=access.limits.connect,
            stall_seconds=access.limits.stall,
            plain_http=access.plain_http,
        )
        self._authorizer = Authorizer(host, self._client, access.credentials)

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
            method: As GET.
            url: The URL. Only the registry's own origin gets the authorization.
            scopes: What the request does.
            subject: The same in words, to begin messages.
            expected: The statuses of answers that the block understands.
            headers: Further headers.
            body: The body.
            seconds: How long the answer may take once everything is sent; None for the usual time.

        Raises:
            Error: The request failed, or the answer has another status.
        """
        request = Request(method, url, {"User-Agent": USER_AGENT, **(headers or {})}, body, seconds)
        with self._send(request, scopes) as response:
            if response.status not in expected:
                raise refusal(response, subject, self._authorizer.secrets())
            yield response

    def follow(self, base: URL, location: str) -> URL:
        """Return the URL to which the registry leads: see `Client.follow`."""
        return self._client.follow(base, location)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _send(self, request: Request, scopes: Scopes) -> Response:
        if request.url.origin != self.base.origin:
            return self._client.send(request)
        header = self._authorizer.header(scopes)
        response = self._client.send(_authorized(request, header))
        challenges = response.headers.getlist("WWW-Authenticate")
        # What another origin demands is not answered: the credentials are for the registry alone.
        if response.status != 401 or not challenges or response.url.origin != self.base.origin:
            return response
        with response:
            response.read(_MAX_CHALLENGE)
        header = self._authorizer.answer(self.base, challenges, scopes, header)
        return self._client.send(_authorized(request, header))


def base_url(host: str, access: Access) -> URL:
    """Return the URL below which a registry answers.

    Args:
        host: The registry, as in names of images.
        access: Says whether to use plain HTTP.

    Raises:
        InvalidArgument: It is no host with an optional port.
    """
    try:
        url = URL.parse(f"https://{_HUB if host == 'docker.io' else host}/v2/")
    except InvalidArgument:
        raise InvalidArgument(f"registry {host[:80]!r}: expected a host, and perhaps a port") from None
    if url.path != "/v2/" or url.query or "@" in host:
        raise InvalidArgument(f"registry {host[:80]!r}: expected a host, and perhaps a port")
    if access.plain_http or (url.origin.is_loopback and not access.ca_certificates):
        return URL.parse(str(url).replace("https://", "http://", 1))
    return url


def _authorized(request: Request, header: str) -> Request:
    return attrs.evolve(request, headers={**request.headers, "Authorization": header}) if header else request


def _context(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if access.ca_certificates:
        try:
            context.load_verify_locations(cadata=access.ca_certificates)
        except (ssl.SSLError, TypeError, ValueError):  # TypeError: not ASCII
            raise InvalidArgument("the certificates to trust are not in PEM format") from None
    return context
