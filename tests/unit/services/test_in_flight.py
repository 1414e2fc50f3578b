"""Calls in flight have a budget of bytes and of their number."""

from __future__ import annotations

import itertools

import pytest

from lamina.api import Method
from lamina.api.messages.empty_pb2 import Empty
from lamina.context import CallContext
from lamina.plugins.servers.grpc.engines.native import _in_flight
from lamina.plugins.servers.grpc.engines.native._in_flight import Call, InFlight

METHOD = Method("A", Empty, lambda _: Empty())
numbers = itertools.count()


def call(size: int) -> Call:
    return Call(next(numbers), "/test.Test/A", METHOD, b"x" * size, CallContext(), 0.0)


@pytest.fixture
def calls(monkeypatch) -> InFlight:
    monkeypatch.setattr(_in_flight, "MAX_IN_FLIGHT_BYTES", 20_000)
    monkeypatch.setattr(_in_flight, "MAX_IN_FLIGHT", 5)
    return InFlight()


def test_bytes_beyond_the_budget_have_no_room_until_others_are_answered(calls) -> None:
    first, second, third = call(10_000), call(10_000), call(10_000)
    assert [calls.add(one) for one in (first, second, third)] == [True, True, False]
    calls.done(third.id)
    calls.done(first.id)
    assert calls.add(call(10_000))
    assert not calls.add(call(10_000))


def test_one_request_may_be_larger_than_the_budget(calls) -> None:
    large = call(30_000)
    assert calls.add(large)
    assert not calls.add(call(10_000))
    assert calls.add(call(100))


def test_decoded_requests_still_count(calls) -> None:
    first = call(20_000)
    calls.add(first)
    first.data = b""
    assert not calls.add(call(10_000))
    calls.done(first.id)
    assert len(calls) == 1


def test_calls_beyond_the_limit_have_no_room_until_one_is_answered(calls) -> None:
    first, *others = [call(0) for _ in range(6)]
    assert calls.add(first)
    assert [calls.add(one) for one in others] == [True, True, True, True, False]
    calls.done(others[-1].id)
    calls.done(first.id)
    assert calls.add(call(0))
