"""What the context at hand gives to a call: time, cancellation, namespace, lease, trace."""

import re
import threading
import time

import pytest

from lamina.api.messages.version_pb2 import VersionResponse
from lamina.client import Client
from lamina.context import CallContext, current, use
from lamina.errdefs import (
    Canceled,
    DeadlineExceeded,
    InvalidArgument,
)
from tests.support.listener.version_service import answer, version_service


def test_the_timeout_bounds_a_call(serve):
    stop = threading.Event()

    def handler(_):
        stop.wait(60)
        return VersionResponse()

    served = serve(version_service(handler))
    with (
        Client(served.address, timeout=0.2) as client,
        pytest.raises(DeadlineExceeded, match=r"Version/Version was not"),
    ):
        client.version()
    stop.set()


def test_the_earlier_of_timeout_and_the_contexts_deadline_is_sent(serve):
    served = serve(version_service(answer))
    with Client(served.address, timeout=1000) as client:
        with use(CallContext(deadline=time.monotonic() + 100)):
            client.version()
        with use(CallContext(deadline=time.monotonic() + 5000)):
            client.version()
    with Client(served.address) as client:
        client.version()
    first, second, third = (context.deadline for context in served.contexts)
    assert first < time.monotonic() + 110  # gRPC rounds up what it sends
    assert time.monotonic() + 110 < second < time.monotonic() + 1100
    assert third is None


def test_a_cancelled_context_makes_no_call(serve):
    served = serve(version_service(answer))
    with Client(served.address) as client:
        with use(CallContext(deadline=time.monotonic() - 1)), pytest.raises(DeadlineExceeded):
            client.version()
        with use(CallContext(cancelled=True)), pytest.raises(Canceled):
            client.version()
    assert served.contexts == []


def test_cancelling_the_context_ends_a_call_on_both_sides(serve):
    arrived = threading.Event()
    ended = threading.Event()

    def handler(_):
        context = current()
        arrived.set()
        while not context.cancelled:
            ended.wait(0.01)
        ended.set()
        return VersionResponse()

    served = serve(version_service(handler))
    context = CallContext()

    def cancel():
        arrived.wait(60)
        context.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with Client(served.address, timeout=60) as client, use(context), pytest.raises(Canceled):
        client.version()
    canceller.join()
    assert ended.wait(60)


def test_the_contexts_namespace_and_lease_are_sent(serve):
    served = serve(version_service(answer))
    with Client(served.address, namespace="mine") as client:
        client.version()
        with use(CallContext(namespace="k8s.io", lease="l1")):
            client.version()
    with Client(served.address) as client:
        client.version()
    assert [(c.namespace, c.lease) for c in served.contexts] == [("mine", ""), ("k8s.io", "l1"), ("", "")]


@pytest.mark.parametrize("sampled", [True, False])
def test_the_contexts_trace_is_sent(serve, sampled):
    served = serve(version_service(answer))
    trace_id = "0123456789abcdef" * 2
    with Client(served.address) as client, use(CallContext(trace_id=trace_id, sampled=sampled)):
        client.version()
    assert [(c.trace_id, c.sampled) for c in served.contexts] == [(trace_id, sampled)]


@pytest.mark.parametrize("trace_id", ["", "mine", "0" * 32])
def test_a_malformed_trace_id_is_not_sent(serve, trace_id):
    served = serve(version_service(answer))
    with Client(served.address) as client, use(CallContext(trace_id=trace_id)):
        client.version()
    (context,) = served.contexts
    assert re.fullmatch("[0-9a-f]{32}", context.trace_id)
    assert context.trace_id != trace_id


@pytest.mark.parametrize("namespace", ["é", "a\nb"])
def test_a_namespace_invalid_in_a_header_is_refused(tmp_path, namespace):
    with (
        Client(f"{tmp_path}/no.sock", namespace=namespace) as client,
        pytest.raises(InvalidArgument, match="namespace"),
    ):
        client.version()
