"""Methods for the engines of the listener, and what calls them over a real socket."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import attrs
import grpc
import pytest

from lamina.api import Method
from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.context import current
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.servers.grpc.engines.grpcio import GrpcioEngine
from lamina.plugins.servers.grpc.engines.native import NativeEngine
from tests.support.waiting import wait_until

SECONDS = 60
REQUEST = HealthCheckRequest(service="x").SerializeToString()
RESPONSE = HealthCheckResponse(status=HealthCheckResponse.SERVING)
QUICK = Method("Quick", HealthCheckRequest, lambda _request: RESPONSE)


@attrs.define
class Served:
    """Methods that are served, and a client of theirs."""

    channel: grpc.Channel
    listener: Listener
    engine: GrpcioEngine | NativeEngine
    stopping: threading.Event
    """Set when the listener is told to close."""

    def unary(self, name="Quick", data=REQUEST, **options):
        return self.begin(name, data, **options).result(timeout=SECONDS)

    def begin(self, name="Quick", data=REQUEST, **options):
        return self.channel.unary_unary(f"/test.Test/{name}").future(
            data, timeout=options.pop("timeout", SECONDS), **options
        )

    def stream(self, name, **options):
        return self.channel.unary_stream(f"/test.Test/{name}")(REQUEST, timeout=SECONDS, **options)


def open_channel(path: str | Path) -> grpc.Channel:
    """Open a channel that shares no connection with others to the same path, which tests use again."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(f"unix:{path}", options=options)


def method(name, handler, **options):
    return Method(name, HealthCheckRequest, handler, **options)


def failure(function):
    with pytest.raises(grpc.RpcError) as caught:
        function()
    return caught.value.code(), caught.value.details()


def first_done(calls):
    """The call that is answered first."""
    wait_until(lambda: any(call.done() for call in calls), SECONDS, "an answer")
    return next(call for call in calls if call.done())


class Blocker:
    """A handler that waits until it is let go, and notes who came."""

    def __init__(self):
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()

    def __call__(self, _request):
        self.entered.release()
        if not self.go.wait(SECONDS):
            raise TimeoutError("never let go")
        return RESPONSE

    def wait_entered(self, count=1):
        for _ in range(count):
            assert self.entered.acquire(timeout=SECONDS)


def wait_until_gone(_request):
    """A handler that waits for the end of its call."""
    while True:
        current().check()
        time.sleep(0.01)


def raising(error):
    def handler(_request):
        raise error

    return handler
