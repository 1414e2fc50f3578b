"""Failures that may be gone at the next attempt."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Final

import urllib3.exceptions

from lamina.errdefs import Error, FailedPrecondition, ResourceExhausted, Unavailable

TRANSPORT_ERRORS: Final = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError)
"""The errors of a connection that breaks."""
_NO_TLS: Final = "WRONG_VERSION_NUMBER"
"""OpenSSL's reason for refusing an answer that is not a TLS record."""


class Temporary(Unavailable):
    """The registry failed, could not be reached, was cut off or stalled; or its answer makes no sense."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Create the error.

        Args:
            message: The message.
            retry_after: Seconds that the registry asks to wait; None if it does not say.
        """
        super().__init__(message)
        self.retry_after = retry_after


class TooManyRequests(ResourceExhausted):
    """The registry gets too many requests."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Create the error; the arguments are those of `Temporary`."""
        super().__init__(message)
        self.retry_after = retry_after


def from_transport(error: Exception, subject: str) -> Error:
    """Return the error for a failure of a connection, in words that repeat nothing of what was sent or received.

    Args:
        error: One of `TRANSPORT_ERRORS`.
        subject: The server, to begin the message.
    """
    cause = error.__cause__ if isinstance(error, urllib3.exceptions.HTTPError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return FailedPrecondition(
            f"{subject}: its certificate is not trusted: {cause.verify_message}: pass its authority's"
        )
    if isinstance(cause, ssl.SSLError) and cause.reason == _NO_TLS:
        return FailedPrecondition(
            f"{subject}: it answers without TLS: use plain HTTP (--plain-http) only on a network that you trust"
        )
    if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
        return Unavailable(f"{subject}: {cause.strerror}: check its name")
    return Temporary(f"{subject}: {_reason(error, cause)}")


def _reason(error: Exception, cause: BaseException | None) -> str:
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return "it does not answer"
    if isinstance(error, ConnectionResetError | BrokenPipeError | urllib3.exceptions.ProtocolError):
        return "the connection was cut"
    if isinstance(error, http.client.HTTPException) and not isinstance(error, http.client.RemoteDisconnected):
        return "its answer does not follow HTTP"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {cause.reason or 'the connection was cut'}"
    if isinstance(cause, ConnectionRefusedError):
        return f"{cause.strerror}: is its server running?"
    return (isinstance(cause, OSError) and cause.strerror) or "the connection was cut"
