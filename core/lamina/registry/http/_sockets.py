"""Connections to servers: direct or through a proxy, with or without TLS."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Iterator
from typing import Final, TypeAlias

from urllib3.util.ssltransport import SSLTransport

from lamina.context import current
from lamina.errdefs import FailedPrecondition
from lamina.registry.http._errors import TRANSPORT_ERRORS, Temporary, from_transport
from lamina.registry.http._proxy import Proxy
from lamina.registry.http._url import Origin
from lamina.registry.http._watch import Watch

_TEMPORARY: Final = frozenset({408, 429, *range(500, 600)})


Connection: TypeAlias = socket.socket | SSLTransport


def connect(origin: Origin, proxy: Proxy | None, context: ssl.SSLContext, seconds: float) -> Connection:
    """Return a connection on which requests for a server can be sent.

    Args:
        origin: The server.
        proxy: The proxy to go through; None for none.
        context: Verifies certificates.
        seconds: The time limit of each step: to connect, to get through the proxy, to agree on TLS.

    Raises:
        Temporary: The server or the proxy could not be reached, or was cut off.
        FailedPrecondition: A certificate is not trusted, or the proxy refuses.
        Unavailable: The name of the server or of the proxy cannot be resolved.
        Canceled, DeadlineExceeded: The current call ended.
    """
    first, subject = (proxy.origin, str(proxy)) if proxy else (origin, str(origin))
    connection: Connection = _connected(first, subject, seconds)
    try:
        if first.scheme == "https":
            connection = _encrypted(connection, first, subject, context, seconds)
        if proxy and origin.scheme == "https":
            _open_tunnel(connection, origin, proxy, seconds)
            connection = _encrypted(connection, origin, str(origin), context, seconds)
    except BaseException:
        connection.close()
        raise
    return connection


def transport(connection: Connection) -> socket.socket:
    """Return the socket of a connection that may have TLS within TLS."""
    return connection.socket if isinstance(connection, SSLTransport) else connection


def _connected(origin: Origin, subject: str, seconds: float) -> socket.socket:
    call = current()
    remaining = call.remaining()
    try:
        connection = socket.create_connection(
            (origin.host, origin.port), seconds if remaining is None else min(remaining, seconds)
        )
        connection.settimeout(None)  # from now on, a watch sees to it
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except TRANSPORT_ERRORS as error:
        call.check()
        raise from_transport(error, subject) from None
    return connection


def _encrypted(
    connection: Connection, origin: Origin, subject: str, context: ssl.SSLContext, seconds: float
) -> Connection:
    """Return a connection with TLS on another one."""
    if isinstance(connection, ssl.SSLSocket):  # which cannot carry another one
        with _watched(connection, subject, seconds):
            return SSLTransport(connection, context, origin.host)
    encrypted = context.wrap_socket(
        transport(connection), server_hostname=origin.host, do_handshake_on_connect=False
    )
    try:
        with _watched(encrypted, subject, seconds):
            encrypted.do_handshake()
    except BaseException:
        encrypted.close()
        raise
    return encrypted


def _open_tunnel(connection: Connection, origin: Origin, proxy: Proxy, seconds: float) -> None:
    """Let a proxy connect to a server (RFC 9110, section 9.3.6)."""
    lines = [f"CONNECT {origin.authority} HTTP/1.1", f"Host: {origin.authority}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers.items()]
    with _watched(connection, str(proxy), seconds):
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = http.client.HTTPResponse(connection, method="CONNECT")  # type: ignore[arg-type] # it reads alone
        try:
            answer.begin()
        finally:
            answer.close()
    if not 200 <= answer.status < 300:
        raise _refusal(answer.status, origin, proxy)


def _refusal(status: int, origin: Origin, proxy: Proxy) -> Exception:
    subject = f"{proxy}: connect to {origin}: it answered {status}"
    if status == 407:
        return FailedPrecondition(proxy.denial(subject))
    if status in _TEMPORARY:
        return Temporary(subject)
    return FailedPrecondition(f"{subject}: let the proxy pass this host, or name it in NO_PROXY")


@contextlib.contextmanager
def _watched(connection: Connection, subject: str, seconds: float) -> Iterator[None]:
    watch = Watch(transport(connection), subject, seconds)
    try:
        yield
        watch.check()
    except TRANSPORT_ERRORS as error:
        raise watch.failure(error) from None
    finally:
        watch.stop()
