"""The connection to a server's socket: calls, their circumstances, their errors. The only user of grpc."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import urllib.parse
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from lamina.api import decode
from lamina.context import CallContext, current
from lamina.errdefs import (
    DeadlineExceeded,
    Error,
    FailedPrecondition,
    InvalidArgument,
    PermissionDenied,
    Unavailable,
    Unimplemented,
    from_status,
)

M = TypeVar("M", bound=Message)

MAX_MESSAGE = 16 << 20
"""Bytes in a message, both ways: containerd's limit."""
MAX_METADATA = 1 << 20
"""Bytes in a response's headers. grpc's own limit of 16 KiB drops statuses that name a long key."""
MAX_PATH = 107
"""Bytes in a socket's path: `sun_path` without its final NUL, unix(7)."""

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_RECONNECT = 100
"""Milliseconds between attempts to connect again. A socket on this machine costs nothing to try."""


class Connection:
    """Calls methods of the services behind a unix socket. May be used from any thread.

    Those of one process to one address share a socket, which grpc closes when the last of them is closed.
    """

    def __init__(
        self, address: str, timeout: float | None, namespace: str, server: str = "`lamina serve`"
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
        self._channel = grpc.insecure_channel(
            f"unix:{urllib.parse.quote(self.path)}",
            options=[
                ("grpc.max_send_message_length", MAX_MESSAGE),
                ("grpc.max_receive_message_length", MAX_MESSAGE),
                ("grpc.max_metadata_size", MAX_METADATA),
                ("grpc.absolute_max_metadata_size", MAX_METADATA),
                ("grpc.initial_reconnect_backoff_ms", _RECONNECT),
                ("grpc.max_reconnect_backoff_ms", _RECONNECT),
                ("grpc.enable_retries", 0),  # an error is told at once
            ],
        )

    def close(self) -> None:
        """End the calls under way, as cancelled, and close the connection. Calling it again does nothing."""
        self._closed = True
        self._channel.close()

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
        context = self._begin()
        call = self._channel.unary_unary(method, _as_is, _as_is).future(
            request.SerializeToString(), timeout=self._seconds(context, timeout), metadata=self._metadata(context)
        )
        with self._under_way(method, call, context):
            return decode(response, call.result())

    def stream(self, method: str, request: Message, response: type[M]) -> Generator[M, None, None]:
        """Call a method that answers many times. The call is made when the first answer is asked for.

        Args and errors are those of `unary`, without its timeout. Leaving the loop early ends the call.
        """
        context = self._begin()
        call = self._channel.unary_stream(method, _as_is, _as_is)(
            request.SerializeToString(), timeout=self._seconds(context), metadata=self._metadata(context)
        )
        with self._under_way(method, call, context):
            for data in call:
                context.check()
                yield decode(response, data)

    @contextlib.contextmanager
    def _under_way(self, method: str, call: Any, context: CallContext) -> Iterator[None]:
        """A block that waits for a call. It ends when the context is cancelled, and the call with the block."""
        unregister = context.on_cancel(call.cancel)
        try:
            yield
        except (grpc.RpcError, grpc.FutureCancelledError) as error:
            if context.cancelled:
                context.check()
            raise self._error(method, error) from error
        finally:
            unregister()
            call.cancel()

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

    def _error(self, method: str, error: Exception) -> Error:
        if not isinstance(error, grpc.Call):
            return from_status(grpc.StatusCode.UNKNOWN.value[0], str(error))
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.UNAVAILABLE:
            return self._unreachable() or from_status(code.value[0], details)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and "Deadline Exceeded" in details:  # grpc's own words
            return DeadlineExceeded(f"{self.path}: {method} was not answered in time")
        if code is grpc.StatusCode.UNIMPLEMENTED and details == "Method not found!":  # as above
            return Unimplemented(f"{self.path}: nothing serves {method}: `lamina plugins ls -d` says why")
        return from_status(code.value[0], details)

    def _unreachable(self) -> Error | None:
        """Why nobody can connect to the socket; None where somebody answers."""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(self.path)
        except PermissionError:
            return PermissionDenied(f"{self.path}: may not connect: run as root, or join the socket's group")
        except OSError as error:
            return Unavailable(f"{self.path}: {error.strerror or error}: is {self._server} running?")
        return None


def _traceparent(context: CallContext) -> str:
    """The header that passes a trace on (W3C Trace Context); "" where the call has no trace id of that form."""
    if not _TRACE_ID.fullmatch(context.trace_id):
        return ""
    # Each call is a step of its own. Nobody records it, so that its identifier only has to be another one.
    return f"00-{context.trace_id}-{secrets.token_hex(8)}-0{int(context.sampled)}"


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


def _as_is(message: bytes) -> bytes:
    """Instead of grpc's serializers, whose errors would become statuses without the reason."""
    return message
