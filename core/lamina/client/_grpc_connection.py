"""`GrpcConnection`: calls over grpcio. The only user of grpc."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Generator, Iterator
from typing import Any

import grpc
from google.protobuf.message import Message

from lamina.api import decode
from lamina.client._connection import MAX_MESSAGE, MAX_METADATA, Connection, M
from lamina.context import CallContext
from lamina.errdefs import DeadlineExceeded, Error, from_status

_RECONNECT = 100
"""Milliseconds between attempts to connect again. A socket on this machine costs nothing to try."""


class GrpcConnection(Connection):
    """A connection that lasts, and comes back when the server was away.

    Those of one process to one address share a socket, which grpc closes when the last of them is closed.
    """

    def __init__(
        self, address: str, timeout: float | None = None, namespace: str = "", server: str = "`lamina serve`"
    ) -> None:
        """As `Connection`."""
        super().__init__(address, timeout, namespace, server)
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
        """As `Connection.close`."""
        self._closed = True
        self._channel.close()

    def unary(self, method: str, request: Message, response: type[M], timeout: float | None = None) -> M:
        """As `Connection.unary`."""
        context = self._begin()
        call = self._channel.unary_unary(method, _as_is, _as_is).future(
            request.SerializeToString(), timeout=self._seconds(context, timeout), metadata=self._metadata(context)
        )
        with self._under_way(method, call, context):
            return decode(response, call.result())

    def stream(self, method: str, request: Message, response: type[M]) -> Generator[M, None, None]:
        """As `Connection.stream`."""
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

    def _error(self, method: str, error: Exception) -> Error:
        if not isinstance(error, grpc.Call):
            return from_status(grpc.StatusCode.UNKNOWN.value[0], str(error))
        code, details = error.code(), error.details() or ""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and "Deadline Exceeded" in details:  # grpc's own words
            return DeadlineExceeded(f"{self.path}: {method} was not answered in time")
        return self._status_error(method, code.value[0], details)


def _as_is(message: bytes) -> bytes:
    """Instead of grpc's serializers, whose errors would become statuses without the reason."""
    return message
