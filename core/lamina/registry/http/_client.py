"""The class `Client`: requests, answers, redirects."""

from __future__ import annotations

import ssl
from typing import Final

import attrs
from urllib3.connection import HTTPConnection

from lamina.context import current
from lamina.errdefs import FailedPrecondition, InvalidArgument
from lamina.registry.http._connection import Pool, exchange
from lamina.registry.http._errors import TRANSPORT_ERRORS, Temporary
from lamina.registry.http._proxy import Proxies
from lamina.registry.http._request import BlobBody, Request
from lamina.registry.http._response import Response
from lamina.registry.http._sockets import connect, transport
from lamina.registry.http._url import URL, Origin
from lamina.registry.http._watch import Watch

_REDIRECTS: Final = 5
"""Maximum number of redirects followed. Registries redirect blobs once, to where they are stored."""
_REDIRECT_BODY: Final = 16384
"""Maximum number of bytes of a redirect's body that are read to keep the connection."""
_REDIRECTING: Final = frozenset({301, 302, 303, 307, 308})


class Client:
    """Sends requests, and follows redirects of GET and HEAD. Any thread may use it.

    Credentials never follow to another origin.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        proxies: Proxies,
        *,
        connect_seconds: float,
        stall_seconds: float,
        plain_http: bool = False,
    ) -> None:
        """Create a client without connections.

        Args:
            context: Verifies certificates.
            proxies: Choose the proxy through which a server is reached.
            connect_seconds: The time limit of each step of connecting.
            stall_seconds: The time that a server may take without progress.
            plain_http: Let servers lead to others without TLS. A server without TLS on a loopback address may lead
                to another one in any case.
        """
        self._plain_http = plain_http
        self._context = context
        self._proxies = proxies
        self._pool = Pool()
        self._connect_seconds = connect_seconds
        self._stall_seconds = stall_seconds

    def send(self, request: Request) -> Response:
        """Return the answer to a request, whatever its status. The caller closes it.

        Raises:
            Temporary: The server could not be reached, was cut off or stalled.
            FailedPrecondition: A certificate is not trusted, a proxy refuses, or a redirect leads where none may.
            Unavailable: The name of the server or of its proxy cannot be resolved.
            Canceled, DeadlineExceeded: The current call ended.
        """
        for _ in range(_REDIRECTS + 1):
            response = self._send_once(request)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTING or request.method not in {"GET", "HEAD"} or not location:
                return response
            with response:
                response.read(_REDIRECT_BODY)
            request = self._redirected(request, location)
        raise FailedPrecondition(f"{request.url.origin}: more than {_REDIRECTS} redirects, perhaps in a circle")

    def follow(self, base: URL, location: str) -> URL:
        """Return the URL that a server refers to.

        Args:
            base: The URL of the server's answer.
            location: Its `Location`, perhaps relative to `base`.

        Raises:
            FailedPrecondition: The location is malformed, or without TLS where there must be TLS.
        """
        try:
            url = base.join(location)
        except InvalidArgument as error:
            raise FailedPrecondition(f"{base.origin}: it refers to an invalid URL: {error}") from None
        may_be_plain = self._plain_http or (base.origin.is_plain_loopback and url.origin.is_plain_loopback)
        if url.origin.scheme != "https" and not may_be_plain:
            raise FailedPrecondition(f"{base.origin}: it refers to {url.origin}, which has no TLS")
        return url

    def close(self) -> None:
        """Close the connections that wait for a request."""
        self._pool.close()

    def _send_once(self, request: Request) -> Response:
        current().check()
        connection = self._pool.take(request.url.origin)
        if connection is not None:
            try:
                return self._exchange(connection, request)
            except Temporary:
                # The server may have closed the connection while it waited, which says nothing about the request.
                if isinstance(request.body, BlobBody):
                    raise
        return self._exchange(self._connected(request.url.origin), request)

    def _connected(self, origin: Origin) -> HTTPConnection:
        connection = HTTPConnection(origin.host, origin.port, timeout=None)
        proxy = self._proxies.proxy_for(origin)
        connection.sock = connect(origin, proxy, self._context, self._connect_seconds)
        return connection

    def _exchange(self, connection: HTTPConnection, request: Request) -> Response:
        origin = request.url.origin
        forwarder = self._proxies.proxy_for(origin) if origin.scheme == "http" else None
        watch = Watch(transport(connection.sock), str(forwarder or origin), self._stall_seconds)
        try:
            raw = exchange(connection, request, forwarder, watch, request.seconds or self._stall_seconds)
        except BaseException as error:
            watch.stop()
            connection.close()
            if isinstance(error, TRANSPORT_ERRORS):
                raise watch.failure(error) from None
            raise

        def release(can_be_used_again: bool) -> None:
            if can_be_used_again:
                self._pool.give_back(origin, connection)
            else:
                connection.close()

        response = Response(raw, request.url, watch, release)
        try:
            watch.check()
        except BaseException:
            response.close()
            raise
        if forwarder and response.status == 407:
            response.close()
            raise FailedPrecondition(forwarder.denial(f"{forwarder}: {origin}: it answered 407"))
        return response

    def _redirected(self, request: Request, location: str) -> Request:
        url = self.follow(request.url, location)
        headers = dict(request.headers)
        if url.origin != request.url.origin:
            headers.pop("Authorization", None)
        return attrs.evolve(request, url=url, headers=headers)
