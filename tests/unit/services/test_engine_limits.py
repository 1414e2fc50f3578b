"""Limits of an engine: calls wait or are refused, and do not block calls of other kinds."""

from __future__ import annotations

import contextlib
import ctypes
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import grpc

from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.plugins.servers.grpc import _limits
from lamina.plugins.servers.grpc.engines.native import _queues
from tests.support.listener.engines import RESPONSE, SECONDS, failure, first_done, method, wait_until_gone
from tests.support.waiting import wait_until


def test_slow_calls_do_not_delay_quick_ones(serve, blocker):
    served = serve(method("Slow", blocker, slow=True), slow_workers=32)
    calls = [served.begin("Slow") for _ in range(64)]
    blocker.wait_entered(8)  # at least a quarter of the workers is for one method
    assert served.unary() == RESPONSE.SerializeToString()
    assert not any(call.done() for call in calls)
    blocker.go.set()
    for call in calls:
        call.result(timeout=SECONDS)


def test_a_flood_of_slow_calls_is_refused_and_quick_ones_are_answered_all_the_same(serve, blocker, monkeypatch):
    monkeypatch.setattr(_limits, "MAX_QUEUED", 3)
    monkeypatch.setattr(_queues, "MAX_QUEUED", 3)
    served = serve(method("Slow", blocker, slow=True))
    calls = [served.begin("Slow") for _ in range(6)]
    code, details = failure(first_done(calls).result)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert re.fullmatch(
        "too many calls (of Slow )?wait for an answer: try again later: resource exhausted", details
    )
    assert served.unary() == RESPONSE.SerializeToString()
    blocker.go.set()
    assert sum(call.code() is grpc.StatusCode.OK for call in calls) >= 4
    served.unary("Slow")


def test_a_flood_of_quick_calls_is_refused(serve, blocker, monkeypatch):
    monkeypatch.setattr(_limits, "MAX_QUEUED", 0)
    monkeypatch.setattr(_limits, "MAX_OPEN_STREAMS", 1)
    served = serve(method("Block", blocker))
    calls = [served.begin("Block") for _ in range(12)]
    first_done(calls)
    blocker.go.set()
    codes = [call.code() for call in calls]
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert codes.count(grpc.StatusCode.OK) >= 2  # as many as there are workers


CLIENTS = """
import collections, sys
import grpc

options = [("grpc.use_local_subchannel_pool", 1)]
channels = [grpc.insecure_channel(f"unix:{sys.argv[1]}", options=options) for _ in range(8)]
for channel in channels:
    grpc.channel_ready_future(channel).result()
calls = [channel.unary_unary("/test.Test/Quick").future(b"") for channel in channels for _ in range(250)]
print(flush=True)
print(*{call.code().name for call in calls})
"""


def test_calls_that_no_thread_has_taken_yet_are_not_cancelled(serve, tmp_path):
    """No thread of this process runs while it waits for one byte of the clients'."""
    serve()
    with subprocess.Popen([sys.executable, "-c", CLIENTS, tmp_path / "x.sock"], stdout=subprocess.PIPE) as clients:
        assert clients.stdout
        ctypes.PyDLL(None).read(clients.stdout.fileno(), ctypes.create_string_buffer(1), 1)
        codes = clients.communicate(timeout=4 * SECONDS)[0].decode().split()
    assert "OK" in codes
    assert set(codes) <= {"OK", "RESOURCE_EXHAUSTED"}


def test_streams_that_stay_open_take_no_thread_from_other_calls_and_are_limited(serve, monkeypatch):
    monkeypatch.setattr(_limits, "MAX_OPEN_STREAMS", 3)

    def handler(request) -> Iterator[HealthCheckResponse]:
        yield RESPONSE
        wait_until_gone(request)

    served = serve(method("Watch", handler, streams=True), quick_workers=1, slow_workers=1)
    streams = [served.stream("Watch") for _ in range(3)]
    for stream in streams:
        next(stream)
    assert served.unary() == RESPONSE.SerializeToString()
    assert failure(lambda: next(served.stream("Watch")))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    streams[0].cancel()

    def open_one():
        with contextlib.suppress(grpc.RpcError):
            return next(served.stream("Watch"))

    wait_until(open_one, SECONDS, "a place for another stream")


def test_a_client_that_stops_reading_loses_its_stream_and_frees_the_thread(serve):
    ended = threading.Event()
    large = HealthCheckRequest(service="x" * (1 << 20))  # any message will do

    def handler(_request):
        try:
            while True:
                yield large
        finally:
            ended.set()

    served = serve(method("Endless", handler, streams=True, slow=True), slow_workers=1, stalled=0.2)
    stream = served.stream("Endless")
    assert ended.wait(SECONDS)
    assert failure(lambda: list(stream))[0] is grpc.StatusCode.CANCELLED


def test_message_sizes_are_limited_both_ways(serve):
    large = HealthCheckRequest(service="x" * 5000)
    served = serve(method("Large", lambda _request: large), max_recv_message_size=4096, max_send_message_size=4096)
    too_large = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert (
        failure(lambda: served.unary(data=large.SerializeToString()))[0],
        failure(lambda: served.unary("Large"))[0],
    ) == too_large
