"""The connection to a server's socket: what every call takes along, and what becomes of its errors."""

from __future__ import annotations

import abc
import os
import re
import socket
from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar

from lamina.context import CallContext, current
from lamina.errdefs import (
    Code,
    Error,
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    Unavailable,
    Unimplemented,
    from_status,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

MAX_MESSAGE = 16 << 20
"""Bytes in a message, both ways: containerd's limit."""
MAX_METADATA = 1 << 20
"""Bytes in a response's headers. grpc's own limit of 16 KiB drops statuses that name a long key."""
MAX_PATH = 107
"""Bytes in a socket's path: `sun_path` without its final NUL, unix(7)."""

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")


class Connection(abc.ABC):
    """Calls methods of the services behind a unix socket. May be used from any thread."""

    def __init__(
        self, address: str, timeout: float | None = None, namespace: str = "", server: str = "`lamina serve`"
    ) -> None:
        """Connect when it is first needed.

        Args:
            address: See `socket_path`.
            timeout: Seconds that one call may take; None: as long as it takes.
            namespace: containerd namespace of the calls whose context names none.
            server: Who should answer there, for the message where nobody does.
        """
        self.path = socket_path(address)
        self._timeout = timeout
        self._namespace = namespace
        self._server = server
        self._closed = False

    @abc.abstractmethod
    def close(self) -> None:
        """End the calls under way, as cancelled, and close the connection. Calling it again does nothing."""

    @abc.abstractmethod
    def unary(self, method: str, request: Message, response: type[M], timeout: float | None = None) -> M:
        """Call a method that answers once.

        Args:
            method: `/<service>/<method>`.
            request: What it takes.
            response: The type of its answer.
            timeout: Seconds that this call may take, where the connection's timeout is not shorter.

        Raises:
            Error: The class that the server's status stands for, or one that says why it could not be asked.
        """

    @abc.abstractmethod
    def stream(self, method: str, request: Message, response: type[M]) -> Generator[M, None, None]:
        """Call a method that answers many times. The call is made when the first answer is asked for.

        Args and errors are those of `unary`, without its timeout. Leaving the loop early ends the call.
        """

    def _begin(self) -> CallContext:
        if self._closed:
            raise FailedPrecondition(f"{self.path}: the client is closed")
        context = current()
        context.check()
        return context

    def _seconds(self, context: CallContext, timeout: float | None = None) -> float | None:
        limits = (self._timeout, timeout, context.remaining())
        return min((seconds for seconds in limits if seconds is not None), default=None)

    def _metadata(self, context: CallContext) -> tuple[tuple[str, str], ...]:
        headers = {
            "containerd-namespace": context.namespace or self._namespace,
            "containerd-lease": context.lease,
            "traceparent": _traceparent(context),
        }
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise InvalidArgument(f"{name} {value!r}: expected printable ASCII")
        return tuple((name, value) for name, value in headers.items() if value)

    def _status_error(self, method: str, code: int, details: str) -> Error:
        """The error of a status that is not OK."""
        if code == Code.UNAVAILABLE:
            return self._unreachable() or from_status(code, details)
        if code == Code.UNIMPLEMENTED and details == "Method not found!":  # the words of grpc's servers
            return Unimplemented(f"{self.path}: nothing serves {method}: `lamina plugins ls -d` says why")
        return from_status(code, details)

    def _unreachable(self) -> Error | None:
        """Why nobody can connect to the socket; None where somebody answers."""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(self.path)
        except OSError as error:
            return self._refused(error)
        return None

    def _refused(self, error: OSError) -> Error:
        """The error for a connection that was not to be had."""
        if isinstance(error, PermissionError):
            return PermissionDenied(f"{self.path}: may not connect: run as root, or join the socket's group")
        return Unavailable(f"{self.path}: {error.strerror or error}: is {self._server} running?")


def _traceparent(context: CallContext) -> str:
    """The header that passes a trace on (W3C Trace Context); "" where the call has no trace id of that form."""
    if not _TRACE_ID.fullmatch(context.trace_id):
        return ""
    # Each call is a step of its own. Nobody records it, so that its identifier only has to be another one.
    return f"00-{context.trace_id}-{os.urandom(8).hex()}-0{int(context.sampled)}"


def socket_path(address: str) -> str:
    """The absolute path in an address.

    Args:
        address: A path, with or without `unix://` before it.

    Raises:
        InvalidArgument: It is no path of a unix socket, too long for one, or has a comma in it.
    """
    path = address.removeprefix("unix://")
    if not path or "://" in path or "\0" in path:
        raise InvalidArgument(f"address {address!r}: expected the path of a unix socket")
    path = os.path.abspath(path)
    if "," in path:
        raise InvalidArgument(f"address {address!r}: gRPC takes a path with a comma for two; use a link to it")
    if len(os.fsencode(path)) > MAX_PATH:
        raise InvalidArgument(f"address {address!r}: a socket's path can be {MAX_PATH} bytes long")
    return path
