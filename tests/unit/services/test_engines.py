"""Calls over a real socket, the same for each engine."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading

import grpc
import pytest

from lamina.api import Service
from lamina.api.messages.health_pb2 import HealthCheckResponse
from lamina.context import current
from lamina.errdefs import Conflict, NotFound
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.servers.grpc._status import MAX_DETAILS
from lamina.plugins.servers.grpc.engines.native import NativeEngine
from tests.support.listener.engines import (
    QUICK,
    REQUEST,
    RESPONSE,
    SECONDS,
    failure,
    method,
    open_channel,
    raising,
    wait_until_gone,
)
from tests.support.waiting import wait_until


def test_a_call_is_answered(serve):
    assert serve().unary() == RESPONSE.SerializeToString()


def test_a_stream_is_answered_in_order(serve):
    responses = [HealthCheckResponse(status=number) for number in (1, 2, 3)]
    served = serve(method("Many", lambda _request: iter(responses), streams=True, slow=True))
    assert list(served.stream("Many")) == [response.SerializeToString() for response in responses]


def test_an_unknown_method_is_unimplemented(serve):
    assert failure(lambda: serve().unary("Other"))[0] is grpc.StatusCode.UNIMPLEMENTED


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


def test_an_error_within_a_stream_follows_the_sent_messages(serve):
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


def test_the_call_context_is_available_also_while_streaming(serve):
    seen = []

    def handler(_request):
        for _ in range(2):
            seen.append(copy.copy(current()))
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
        seen.append(copy.copy(current()))
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
    wait_until(call.done, SECONDS, "the client's end of the call")


def test_a_call_past_its_deadline_ends(serve):
    entered, ended = threading.Event(), threading.Event()

    def handler(request):
        entered.set()
        try:
            wait_until_gone(request)
        finally:
            ended.set()

    served = serve(method("Wait", handler))
    seconds = 0.5
    while not entered.is_set():  # nothing is shown by a call that a busy machine does not even begin in time
        seconds *= 2
        code, _details = failure(served.begin("Wait", timeout=seconds).result)
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


def test_of_two_methods_with_one_path_the_first_serves(caplog, tmp_path, make_engine):
    other = Service("test.Test", (method("Quick", raising(KeyError())),))
    engine = make_engine(Limits(quick_workers=1, slow_workers=1))
    listener = Listener(f"{tmp_path}/x.sock", engine, [Service("test.Test", (QUICK,)), other])
    with caplog.at_level(logging.ERROR):
        listener.start()
    with contextlib.closing(listener), open_channel(f"{tmp_path}/x.sock") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS) == RESPONSE.SerializeToString()
    assert caplog.records[0].method == "/test.Test/Quick"
