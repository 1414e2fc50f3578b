"""Metrics and logs of calls, with each engine."""

from __future__ import annotations

import contextlib
import logging
import threading

import grpc
import pytest

from lamina.api import Method, Service
from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.context import CallContext, current
from lamina.errdefs import Code, Conflict, NotFound
from lamina.plugins.servers.grpc._call_metrics import CallMetrics
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from tests.support.listener.engines import open_channel
from tests.support.waiting import wait_until

SECONDS = 60
RESPONSE = HealthCheckResponse()


def method(name, handler, **options):
    return Method(name, HealthCheckRequest, handler, **options)


@pytest.fixture
def serve(tmp_path, make_engine):
    """`serve(method, …)` returns a function that calls a method by its name, and the engine."""
    with contextlib.ExitStack() as stack:

        def start(*methods):
            engine = make_engine(Limits(quick_workers=2, slow_workers=1))
            listener = Listener(f"{tmp_path}/s", engine, [Service("test.Test", methods)], grace=SECONDS)
            listener.start()
            stack.callback(listener.close)
            channel = stack.enter_context(open_channel(f"{tmp_path}/s"))
            streams = {one.name for one in methods if one.streams}

            def call(name, data=b"", **options):
                if name in streams:
                    return channel.unary_stream(f"/test.Test/{name}")(data, timeout=SECONDS, **options)
                return channel.unary_unary(f"/test.Test/{name}").future(data, timeout=SECONDS, **options)

            return call, listener

        yield start


def numbers(listener, name):
    """The samples of a metric that are not 0, without the labels that say which service."""
    metric = next(metric for metric in listener.metrics() if metric.name == name)
    start = 2 if name.startswith("grpc_") else 0
    return {labels[start:]: sample for labels, sample in metric.samples.items() if sample}


def handled(listener):
    return numbers(listener, "grpc_server_handled_total")


def test_an_answered_call_is_counted_when_its_client_has_the_answer(serve):
    call, listener = serve(method("A", lambda _: RESPONSE), method("B", lambda _: RESPONSE))
    for name in "AAB":
        call(name).result()
    assert handled(listener) == {("A", "", "OK"): 2, ("B", "", "OK"): 1}
    assert numbers(listener, "grpc_server_started_total") == {("A",): 2, ("B",): 1}
    seconds = numbers(listener, "grpc_server_handling_seconds")
    assert {labels: histogram.count for labels, histogram in seconds.items()} == {("A", ""): 2, ("B", ""): 1}


@pytest.mark.parametrize(
    ("error", "code"),
    [(NotFound("x"), "NotFound"), (Conflict("x"), "FailedPrecondition"), (KeyError("x"), "Unknown")],
)
def test_a_call_that_fails_is_counted_with_its_code(serve, error, code):
    def fail(_request):
        raise error

    call, listener = serve(method("A", fail))
    with pytest.raises(grpc.RpcError):
        call("A").result()
    assert handled(listener) == {("A", "", code): 1}


def test_a_stream_is_one_call(serve):
    call, listener = serve(method("A", lambda _: iter([RESPONSE] * 3), streams=True))
    assert len(list(call("A"))) == 3
    assert handled(listener) == {("A", "", "OK"): 1}


def test_a_stream_that_fails_is_counted_with_its_code(serve):
    def fail(_request):
        yield RESPONSE
        raise NotFound("x")

    call, listener = serve(method("A", fail, streams=True))
    with pytest.raises(grpc.RpcError):
        list(call("A"))
    assert handled(listener) == {("A", "", "NotFound"): 1}


def test_a_call_whose_client_goes_away_is_counted_as_cancelled(serve):
    entered, gone = threading.Event(), threading.Event()

    def wait(_request):
        current().on_cancel(gone.set)
        entered.set()
        assert gone.wait(SECONDS)
        current().check()

    call, listener = serve(method("A", wait, slow=True))
    one = call("A")
    assert entered.wait(SECONDS)
    running = {("slow call", ""): 1}
    wait_until(lambda: numbers(listener, "lamina_calls_running") == running, SECONDS, "the call to be at work")
    one.cancel()
    wait_until(lambda: handled(listener) == {("A", "", "Canceled"): 1}, SECONDS, "the call to be counted")


def test_a_call_counts_for_the_snapshotter_that_its_service_found(serve):
    def find(_request):
        current().tags["snapshotter"] = "lamina"
        return RESPONSE

    call, listener = serve(method("A", find))
    call("A").result()
    assert handled(listener) == {("A", "lamina", "OK"): 1}


def test_waiting_calls_are_counted(serve):
    go = threading.Event()
    try:
        call, listener = serve(method("A", lambda _: go.wait(SECONDS) and RESPONSE, slow=True))
        calls = [call("A") for _ in range(3)]
        wait_until(
            lambda: (
                numbers(listener, "lamina_calls_running").get(("slow call", "")) == 1
                and numbers(listener, "lamina_calls_waiting").get(("slow call", "")) == 2
            ),
            SECONDS,
            "one call at work and two waiting",
        )
    finally:
        go.set()
    for one in calls:
        one.result()
    assert handled(listener) == {("A", "", "OK"): 3}


def test_an_unknown_method_creates_no_series(serve):
    call, listener = serve(method("A", lambda _: RESPONSE))
    with pytest.raises(grpc.RpcError):
        call("Z").result()
    assert handled(listener) == {}


def test_at_debug_level_each_call_has_a_line_with_its_trace_id(serve, caplog):
    caplog.set_level(logging.DEBUG, "lamina.plugins.servers.grpc._call_metrics")

    def fail(_request):
        raise NotFound("x")

    call, _ = serve(method("A", fail))
    with pytest.raises(grpc.RpcError):
        call("A", metadata=[("traceparent", f"00-{'ab' * 16}-{'cd' * 8}-01")]).result()
    (line,) = [record for record in caplog.records if record.msg == "answered a call"]
    assert (line.method, line.snapshotter, line.code, line.trace_id) == (
        "/test.Test/A", "", "NotFound", "ab" * 16,
    )  # fmt: skip
    assert line.milliseconds > 0


def test_a_debug_line_shows_the_fields_of_the_request_that_its_method_names(serve, caplog):
    caplog.set_level(logging.DEBUG, "lamina.plugins.servers.grpc._call_metrics")
    long = f"{'a' * 200}{'b' * 200}"
    call, _ = serve(method("A", lambda _: RESPONSE, logged={"service": "service", "no.such": "other"}))
    for name in ("sandbox", long, ""):
        call("A", HealthCheckRequest(service=name).SerializeToString()).result()
    lines = [vars(record) for record in caplog.records if record.msg == "answered a call"]
    assert [line.get("service") for line in lines] == ["sandbox", f"{'a' * 128}…{'b' * 128}", None]


def test_the_debug_line_of_a_failed_call_has_the_status_sent(serve, caplog):
    caplog.set_level(logging.DEBUG, "lamina.plugins.servers.grpc._call_metrics")

    def fail(request):
        raise NotFound(f"snapshot {request.service}")

    call, _ = serve(method("A", fail, logged={"service": "service"}))
    with pytest.raises(grpc.RpcError):
        call("A", HealthCheckRequest(service="sandbox").SerializeToString()).result()
    (line,) = [record for record in caplog.records if record.msg == "answered a call"]
    assert (line.service, line.code, line.error) == ("sandbox", "NotFound", "snapshot sandbox: not found")


def test_at_info_level_no_call_has_a_line(caplog):
    caplog.set_level(logging.INFO)
    calls = CallMetrics({"/test.Test/A": method("A", lambda _: RESPONSE)})
    calls.end("/test.Test/A", CallContext(), Code.OK, 0.0)
    assert caplog.records == []


def test_calls_of_many_threads_are_all_counted():
    calls = CallMetrics({"/test.Test/A": method("A", lambda _: RESPONSE)})

    def count():
        for _ in range(1000):
            calls.begin("/test.Test/A")
            calls.end("/test.Test/A", CallContext(), Code.OK, 0.0)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handled(calls) == {("A", "", "OK"): 8000}
