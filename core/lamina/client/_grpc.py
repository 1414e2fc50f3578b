"""`GrpcConnection`: calls over grpcio. No other module of the client imports grpc."""

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
from lamina.errdefs import Error, from_status

_RECONNECT = 100
"""Milliseconds between attempts to reconnect. Trying a local socket is cheap."""


class GrpcConnection(Connection):
    """A persistent connection, which reconnects after the server was down.

    The connections of a process to one address share a socket, which grpc closes with the last of them.
    """

    def __init__(
        self, address: str, timeout: float | None = None, namespace: str = "", server: str = "`lamina serve`"
    ) -> None:
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
                ("grpc.enable_retries", 0),  # report errors at once
            ],
        )

    def close(self) -> None:
        self._closed = True
        self._channel.close()

    def unary(self, method: str, request: Message, response: type[M], timeout: float | None = None) -> M:
        context = self._begin()
        call = self._channel.unary_unary(method, _unchanged, _unchanged).future(
            request.SerializeToString(), timeout=self._seconds(context, timeout), metadata=self._metadata(context)
        )
        with self._in_flight(method, call, context):
            return decode(response, call.result())

    def stream(self, method: str, request: Message, response: type[M]) -> Generator[M, None, None]:
        context = self._begin()
        call = self._channel.unary_stream(method, _unchanged, _unchanged)(
            request.SerializeToString(), timeout=self._seconds(context), metadata=self._metadata(context)
        )
        with self._in_flight(method, call, context):
            for data in call:
                context.check()
                yield decode(response, data)

    @contextlib.contextmanager
    def _in_flight(self, method: str, call: Any, context: CallContext) -> Iterator[None]:
        """Cancel a call with its context, and at the latest when the block ends."""
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
        return self._status_error(method, code.value[0], details)


def _unchanged(message: bytes) -> bytes:
    """Replace grpc's serializers, whose errors would become statuses without a reason."""
    return message
