"""`Connection`: the metadata of calls to a server, and the errors that they raise."""

from __future__ import annotations

import abc
import os
import re
import socket
from collections.abc import Generator
from typing import TYPE_CHECKING, ClassVar, TypeVar

from lamina.context import CallContext, current
from lamina.errdefs import (
    Code,
    DeadlineExceeded,
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
"""Limit of a message in either direction, in bytes: that of containerd."""
MAX_METADATA = 1 << 20
"""Limit of response headers in bytes. grpc's default of 16 KiB drops statuses that name a long key."""
_SUN_PATH = 107
"""Limit of a socket's path in bytes: `sun_path` without its final NUL, unix(7)."""

_NOT_SERVED = ("Method not found!", "unknown service ", "unknown method ")
"""Beginnings of the messages of grpc's servers, and of those in Go, such as containerd."""
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")


class Connection(abc.ABC):
    """Calls methods of the services behind a unix socket. Thread-safe."""

    def __init__(
        self, address: str, timeout: float | None = None, namespace: str = "", server: str = "`lamina serve`"
    ) -> None:
        """Make a connection, which connects at the first call.

        Args:
            address: See `socket_path`.
            timeout: Limit of each call in seconds; None for no limit.
            namespace: containerd namespace of calls whose context has none.
            server: Name of the server, for the message when it does not run.
        """
        self.path = socket_path(address)
        self._timeout = timeout
        self._namespace = namespace
        self._server = server
        self._closed = False

    @abc.abstractmethod
    def close(self) -> None:
        """Cancel the calls in flight and close the connection. Does nothing if it is closed."""

    @abc.abstractmethod
    def unary(self, method: str, request: Message, response: type[M], timeout: float | None = None) -> M:
        """Call a method with a single response.

        Args:
            method: `/<service>/<method>`.
            request: The request message.
            response: Type of the response.
            timeout: Limit of this call in seconds, if shorter than that of the connection.

        Raises:
            Error: The class of the server's status, or of the reason why the call could not be made.
        """

    @abc.abstractmethod
    def stream(self, method: str, request: Message, response: type[M]) -> Generator[M, None, None]:
        """Call a method with a stream of responses. The call starts with the first iteration.

        Parameters and errors are those of `unary`, without the timeout. Leaving the loop early cancels the call.
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
        """Return the error of a status other than OK."""
        if code == Code.DEADLINE_EXCEEDED and "Deadline Exceeded" in details:  # grpc's own words
            return self._late(method)
        if code == Code.UNAVAILABLE:
            return self._unreachable() or from_status(code, details)
        if code == Code.UNIMPLEMENTED and details.startswith(_NOT_SERVED):
            doubt = "is it a lamina host? If so, " if method.startswith("/lamina.") else ""
            return Unimplemented(f"{self.path}: nothing serves {method}: {doubt}`lamina plugins ls -d` says why")
        return from_status(code, details)

    def _late(self, method: str) -> Error:
        """Return the error of a call that missed its deadline, which the server may have noticed first."""
        return DeadlineExceeded(f"{self.path}: {method} was not answered in time")

    def _unreachable(self) -> Error | None:
        """Return why the socket refuses connections; None if it accepts them."""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(self.path)
        except OSError as error:
            return self._refused(error)
        return None

    def _refused(self, error: OSError) -> Error:
        """Return the error of a failed connection."""
        if isinstance(error, PermissionError):
            return PermissionDenied(f"{self.path}: may not connect: run as root, or join the socket's group")
        return Unavailable(f"{self.path}: {error.strerror or error}: is {self._server} running?")


class ServiceClient:
    """Calls the methods of one service."""

    service: ClassVar[str]
    """The full name: `containerd.services.images.v1.Images`."""

    def __init__(self, connection: Connection) -> None:
        """Use an existing connection."""
        self._connection = connection

    def _call(self, method: str, request: Message, response: type[M], timeout: float | None = None) -> M:
        return self._connection.unary(f"/{self.service}/{method}", request, response, timeout)

    def _stream(self, method: str, request: Message, response: type[M]) -> Generator[M, None, None]:
        return self._connection.stream(f"/{self.service}/{method}", request, response)


def _traceparent(context: CallContext) -> str:
    """Return the header that propagates a trace (W3C Trace Context); "" unless the trace id has that form."""
    if not _TRACE_ID.fullmatch(context.trace_id):
        return ""
    # Each call is a span. Spans are not recorded, so the identifier only has to be unique.
    return f"00-{context.trace_id}-{os.urandom(8).hex()}-0{int(context.sampled)}"


def socket_path(address: str) -> str:
    """Return the absolute path in an address.

    Args:
        address: A path, with or without `unix://` before it.

    Raises:
        InvalidArgument: The address is not the path of a unix socket, is too long, or contains a comma.
    """
    path = address.removeprefix("unix://")
    if not path or "://" in path or "\0" in path:
        raise InvalidArgument(f"address {address!r}: expected the path of a unix socket")
    path = os.path.abspath(path)
    if "," in path:
        raise InvalidArgument(f"address {address!r}: gRPC splits paths at commas; use a symbolic link to it")
    if len(os.fsencode(path)) > _SUN_PATH:
        raise InvalidArgument(f"address {address!r}: the path of a socket is limited to {_SUN_PATH} bytes")
    return path
