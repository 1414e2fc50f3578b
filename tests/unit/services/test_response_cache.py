"""Versioned responses are given again until their versions change. Handlers are not asked meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs
import pytest

from lamina.api import VersionedResponse
from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.context import current
from lamina.plugins.servers.grpc.engines.native import _response_cache
from tests.support.listener.engines import Served, method

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
LARGE = 5_000
"""Bytes in a request of which an engine drops the encoded form."""


@attrs.define
class State:
    """A state that responses show, and how often it was looked at."""

    status: int = SERVING
    version: object = 1
    asked: int = 0

    def handler(self, _request: HealthCheckRequest) -> VersionedResponse:
        self.asked += 1
        current().tags["snapshotter"] = "overlayfs"
        return VersionedResponse(HealthCheckResponse(status=self.status), self.version, self.current_version)

    def current_version(self) -> object:
        if isinstance(self.version, BaseException):
            raise self.version
        return self.version

    def change(self) -> None:
        self.status, self.version = NOT_SERVING, 2


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def served(serve: Callable[..., Served], state: State) -> Served:
    return serve(method("State", state.handler))


@pytest.fixture
def asked_once(request: pytest.FixtureRequest) -> int:
    """The times an engine asks the handler for three equal calls: only native keeps responses."""
    return 1 if request.node.callspec.params["make_engine"] == "native" else 3


def status(served: Served, data: bytes = b"\x0a\x01x", name: str = "State") -> int:
    return HealthCheckResponse.FromString(served.unary(name, data)).status


@pytest.mark.usefixtures("unrelieved")  # no other thread sends a response that is not kept yet
def test_equal_requests_get_the_response_again(served: Served, state: State, asked_once: int) -> None:
    assert [status(served) for _ in range(3)] == [SERVING] * 3
    assert state.asked == asked_once


def test_another_version_is_asked_for_anew(served: Served, state: State) -> None:
    assert status(served) == status(served) == SERVING
    state.change()
    assert status(served) == status(served) == NOT_SERVING


def test_another_request_is_asked_for_anew(served: Served, state: State) -> None:
    status(served)
    state.status = NOT_SERVING
    assert status(served, b"\x0a\x01y") == NOT_SERVING


def test_a_large_request_is_no_empty_one(served: Served, state: State) -> None:
    large = HealthCheckRequest(service="x" * LARGE).SerializeToString()
    assert status(served, large) == SERVING
    state.status = NOT_SERVING
    assert status(served, b"") == status(served, large) == NOT_SERVING


@pytest.mark.parametrize("error", [RuntimeError("no version"), SystemExit()], ids=["error", "exit"])
def test_a_version_that_cannot_be_told_is_asked_for_anew(
    served: Served, state: State, error: BaseException
) -> None:
    status(served)
    state.status, state.version = NOT_SERVING, error
    assert status(served) == NOT_SERVING


def test_calls_that_get_a_response_again_are_counted_as_others_are(served: Served) -> None:
    for _ in range(3):
        status(served)
    metrics = {metric.name: metric.samples for metric in served.listener.metrics()}
    labels = ("unary", "test.Test", "State")
    assert metrics["grpc_server_started_total"][labels] == 3
    assert metrics["grpc_server_handled_total"][*labels, "overlayfs", "OK"] == 3
    assert metrics["grpc_server_handling_seconds"][*labels, "overlayfs"].count == 3


def test_at_debug_level_calls_that_repeat_a_request_have_lines_too(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(3):
        status(served)
    assert [record.getMessage() for record in caplog.records].count("answered a call") == 3


def test_more_responses_than_are_kept_are_all_right(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_response_cache, "MAX_RESPONSES", 2)

    def count(request: HealthCheckRequest) -> VersionedResponse:
        return VersionedResponse(HealthCheckResponse(status=int(request.service)), 1, lambda: 1)

    served = serve(method("Count", count))
    numbers = [0, 1, 2, 3, 0, 1, 2, 3, 3, 3]
    requests = [HealthCheckRequest(service=f"{number}").SerializeToString() for number in numbers]
    assert [status(served, data, "Count") for data in requests] == numbers
