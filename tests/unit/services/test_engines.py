"""The engines of the listener: calls over a real socket, the same for each."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import grpc
import pytest
from waiting import wait_until

from lamina.api import Method, Service
from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.context import current
from lamina.errdefs import Conflict, NotFound, Unimplemented
from lamina.plugins.servers.grpc import pool, queues
from lamina.plugins.servers.grpc.grpcio_engine import GrpcioEngine
from lamina.plugins.servers.grpc.listener import Listener
from lamina.plugins.servers.grpc.native_engine import NativeEngine
from lamina.plugins.servers.grpc.pool import Limits
from lamina.plugins.servers.grpc.status import MAX_DETAILS

SECONDS = 20
REQUEST = HealthCheckRequest(service="x").SerializeToString()
RESPONSE = HealthCheckResponse(status=HealthCheckResponse.SERVING)
QUICK = Method("Quick", HealthCheckRequest, lambda _request: RESPONSE)


@attrs.define
class Served:
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


@pytest.fixture
def serve(tmp_path, make_engine):
    """`serve(method, …)` serves methods on a socket; the end of the test closes it."""
    with contextlib.ExitStack() as stack:

        def start(*methods, path=tmp_path / "x.sock", grace=SECONDS, quick_workers=2, slow_workers=2, **options):
            engine = make_engine(Limits(quick_workers=quick_workers, slow_workers=slow_workers, **options))
            stopping = threading.Event()
            service = Service("test.Test", (QUICK, *methods))
            listener = Listener(str(path), engine, [service], stopping=[stopping.set], grace=grace)
            listener.start()
            stack.callback(listener.close)
            options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.insecure_channel(f"unix:{path}", options=options)
            stack.callback(channel.close)
            return Served(channel, listener, engine, stopping)

        yield start


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


@pytest.fixture
def blocker():
    blocker = Blocker()
    yield blocker
    blocker.go.set()


def wait_until_gone(_request):
    """A handler that waits for the end of its call."""
    while True:
        current().check()
        time.sleep(0.01)


def test_a_call_is_answered(serve):
    assert serve().unary() == RESPONSE.SerializeToString()


def test_a_stream_is_answered_in_order(serve):
    responses = [HealthCheckResponse(status=number) for number in (1, 2, 3)]
    served = serve(method("Many", lambda _request: iter(responses), streams=True, slow=True))
    assert list(served.stream("Many")) == [response.SerializeToString() for response in responses]


def test_an_unknown_method_is_unimplemented(serve):
    assert failure(lambda: serve().unary("Other"))[0] is grpc.StatusCode.UNIMPLEMENTED


def raising(error):
    def handler(_request):
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "code", "details"),
    [
        (NotFound("snapshot 'a'"), grpc.StatusCode.NOT_FOUND, "snapshot 'a': not found"),
        (Conflict("a"), grpc.StatusCode.FAILED_PRECONDITION, "a: conflict"),
        (NotFound("caf\udce9"), grpc.StatusCode.NOT_FOUND, "caf\\udce9: not found"),
        (NotFound("two\nlines ü"), grpc.StatusCode.NOT_FOUND, "two\nlines ü: not found"),
    ],
)
def test_an_error_becomes_the_status_of_its_class(serve, error, code, details):
    assert failure(lambda: serve(method("Fail", raising(error))).unary("Fail")) == (code, details)


def test_an_error_in_the_middle_of_a_stream_comes_after_what_was_sent(serve):
    def handler(_request):
        yield RESPONSE
        raise NotFound("the rest")

    stream = serve(method("Fail", handler, streams=True)).stream("Fail")
    assert next(stream) == RESPONSE.SerializeToString()
    assert failure(lambda: next(stream)) == (grpc.StatusCode.NOT_FOUND, "the rest: not found")


@pytest.mark.parametrize("error", [KeyError("oops"), SystemExit("oops")])
def test_an_unexpected_exception_is_unknown_and_logged_with_its_traceback(serve, caplog, error):
    served = serve(method("Fail", raising(error)))
    with caplog.at_level(logging.ERROR):
        code, details = failure(lambda: served.unary("Fail"))
    assert code is grpc.StatusCode.UNKNOWN
    assert details == f"{type(error).__name__}: {error}"
    (record,) = caplog.records
    assert record.exc_info[1] is error
    assert record.method == "/test.Test/Fail"


def test_a_message_too_long_for_a_header_keeps_its_beginning_and_its_class(serve):
    error = NotFound("begin" + "ü" * 20_000)
    code, details = failure(lambda: serve(method("Fail", raising(error))).unary("Fail"))
    assert code is grpc.StatusCode.NOT_FOUND
    assert details.startswith("begin")
    assert details.endswith(": not found")
    assert len(details.encode()) < MAX_DETAILS + 10


def test_a_malformed_request_is_an_invalid_argument(serve):
    code, details = failure(lambda: serve().unary(data=b"\xff"))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "malformed HealthCheckRequest of 1 bytes" in details


def test_the_call_s_circumstances_are_its_context_also_while_streaming(serve):
    seen = []

    def handler(_request):
        for _ in range(2):
            seen.append(attrs.evolve(current()))
            yield RESPONSE

    metadata = [
        ("containerd-namespace", "k8s.io"),
        ("containerd-namespace", "second"),
        ("containerd-lease", "lease"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ]
    served = serve(method("See", handler, streams=True))
    list(served.stream("See", metadata=metadata))
    assert len(seen) == 2
    for context in seen:
        assert (context.namespace, context.lease) == ("k8s.io", "lease")
        assert context.trace_id == "0af7651916cd43dd8448eb211c80319c"
        assert 0 < context.remaining() <= SECONDS + 1  # gRPC rounds up


@pytest.mark.parametrize("traceparent", [None, "nonsense", f"00-{'0' * 32}-b7ad6b7169203331-01"])
def test_a_call_without_headers_has_an_empty_context_and_a_trace_id_of_its_own(serve, traceparent):
    seen = []

    def handler(_request):
        seen.append(attrs.evolve(current()))
        return RESPONSE

    served = serve(method("See", handler))
    for _ in range(2):
        served.unary("See", timeout=None, metadata=[("traceparent", traceparent)] if traceparent else None)
    assert {(context.namespace, context.lease, context.deadline) for context in seen} == {("", "", None)}
    first, second = (context.trace_id for context in seen)
    assert first != second
    assert len(first) == 32
    assert int(first, 16)


@pytest.mark.parametrize("streams", [False, True])
def test_a_client_that_vanishes_cancels_its_call(serve, streams):
    entered, ended = threading.Event(), threading.Event()

    def handler(request):
        entered.set()
        try:
            wait_until_gone(request)
        finally:
            ended.set()
        yield RESPONSE

    served = serve(method("Wait", handler if streams else lambda request: next(handler(request)), streams=streams))
    call = served.stream("Wait") if streams else served.begin("Wait")
    assert entered.wait(SECONDS)
    served.channel.close()
    assert ended.wait(SECONDS)
    assert call.done()


def test_a_call_past_its_deadline_ends(serve):
    ended = threading.Event()

    def handler(request):
        try:
            wait_until_gone(request)
        finally:
            ended.set()

    served = serve(method("Wait", handler))
    code, _details = failure(lambda: served.begin("Wait", timeout=0.2).result(timeout=SECONDS))
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert ended.wait(SECONDS)


def test_a_call_whose_client_went_away_while_it_waited_is_not_begun(serve, blocker):
    begun = []
    served = serve(
        method("Slow", blocker, slow=True), method("Begin", begun.append, slow=True), slow_workers=1, grace=0
    )
    first = served.begin("Slow")
    blocker.wait_entered()
    waiting = served.begin("Begin")
    served.unary()  # a later call is answered: the earlier one has arrived
    waiting.cancel()
    if isinstance(served.engine, NativeEngine):  # whose threads may take in what comes in any order
        calls = served.engine._calls
        wait_until(lambda: any(call.context.cancelled for call in calls), SECONDS, "the end")
    served.unary()
    blocker.go.set()
    first.result(timeout=SECONDS)
    served.listener.close()
    assert begun == []


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
    monkeypatch.setattr(pool, "WAITING", 3)
    monkeypatch.setattr(queues, "WAITING", 3)
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
    monkeypatch.setattr(pool, "WAITING", 0)
    monkeypatch.setattr(pool, "LASTING", 1)
    served = serve(method("Block", blocker))
    calls = [served.begin("Block") for _ in range(12)]
    first_done(calls)
    blocker.go.set()
    codes = [call.code() for call in calls]
    assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert codes.count(grpc.StatusCode.OK) >= 2  # as many as there are workers


def test_streams_that_stay_open_take_no_thread_from_other_calls_and_are_limited(serve, monkeypatch):
    monkeypatch.setattr(pool, "LASTING", 3)

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


def test_of_two_methods_with_one_path_the_first_serves(caplog, tmp_path, make_engine):
    other = Service("test.Test", (method("Quick", raising(KeyError())),))
    engine = make_engine(Limits(quick_workers=1, slow_workers=1))
    listener = Listener(f"{tmp_path}/x.sock", engine, [Service("test.Test", (QUICK,)), other])
    with caplog.at_level(logging.ERROR):
        listener.start()
    with contextlib.closing(listener), grpc.insecure_channel(f"unix:{tmp_path}/x.sock") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS) == RESPONSE.SerializeToString()
    assert caplog.records[0].method == "/test.Test/Quick"


def test_a_service_that_comes_later_is_served_or_refused_with_the_remedy(serve):
    served = serve()
    more = Service("test.Test", (method("More", lambda _request: RESPONSE), method("Quick", raising(KeyError()))))
    if isinstance(served.engine, NativeEngine):
        with pytest.raises(Unimplemented, match="restart the host"):
            served.listener.add([more])
        return
    assert failure(lambda: served.unary("More"))[0] is grpc.StatusCode.UNIMPLEMENTED
    served.listener.add([more])
    assert served.unary("More") == served.unary("Quick") == RESPONSE.SerializeToString()
    (started, *_) = served.engine.metrics()
    assert started.samples["unary", "test.Test", "More"] == 1


def test_calls_that_come_before_the_start_wait_for_it(tmp_path, make_engine):
    listener = Listener(f"{tmp_path}/x.sock", make_engine(Limits(quick_workers=1, slow_workers=1)))
    with contextlib.closing(listener), grpc.insecure_channel(f"unix:{tmp_path}/x.sock") as channel:
        listener.listen()
        call = channel.unary_unary("/test.Test/Quick").future(REQUEST, timeout=SECONDS)
        wait_until(
            lambda: Path("/proc/net/unix").read_text().count(f"{tmp_path}/x.sock") == 2, SECONDS, "a connection"
        )
        listener.offer([Service("test.Test", (QUICK,))])
        listener.start()
        assert call.result(timeout=SECONDS) == RESPONSE.SerializeToString()


def test_calls_under_way_are_answered_while_the_listener_closes_and_so_are_those_that_come_meanwhile(
    serve, blocker, tmp_path
):
    served = serve(method("Slow", blocker, slow=True))
    call = served.begin("Slow")
    blocker.wait_entered()
    closing = threading.Thread(target=served.listener.close)
    closing.start()
    assert served.stopping.wait(SECONDS)
    assert served.unary() == RESPONSE.SerializeToString()
    with grpc.insecure_channel(f"unix:{tmp_path}/x.sock") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS) == RESPONSE.SerializeToString()
    assert not call.done()
    blocker.go.set()
    assert call.result(timeout=SECONDS) == RESPONSE.SerializeToString()
    closing.join(SECONDS)
    assert not closing.is_alive()


def test_calls_that_take_longer_than_the_grace_period_are_cancelled_and_waited_for(serve):
    entered, ended = threading.Event(), threading.Event()

    def handler(request):
        entered.set()
        try:
            wait_until_gone(request)
        finally:
            ended.set()

    served = serve(method("Wait", handler), grace=0.1)
    call = served.begin("Wait")
    assert entered.wait(SECONDS)
    served.listener.close()
    assert ended.is_set()
    assert failure(lambda: call.result(timeout=SECONDS))[0] in {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNAVAILABLE,
    }


@pytest.mark.parametrize("name", ["a b%20c.sock", "ü?#.sock"])
def test_a_path_is_taken_as_it_is(serve, tmp_path, name):
    serve(path=tmp_path / name)
    (tmp_path / name).rename(tmp_path / "plain")
    with grpc.insecure_channel(f"unix:{tmp_path / 'plain'}") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS)


def test_a_service_that_is_broken_keeps_no_other_from_being_served(tmp_path, caplog, make_engine):
    good = Service("test.Test", (QUICK,))
    engine = make_engine(Limits(quick_workers=1, slow_workers=1))
    listener = Listener(str(tmp_path / "x.sock"), engine, [Service("broken.X", None), good])
    listener.start()
    with contextlib.closing(listener), grpc.insecure_channel(f"unix:{tmp_path}/x.sock") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS) == RESPONSE.SerializeToString()
    assert "broken.X" in vars(caplog.records[0])["service"]
