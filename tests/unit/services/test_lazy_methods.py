"""Services whose first call loads what handles calls."""

from __future__ import annotations

import contextlib
import threading

import grpc
import pytest

from lamina.api import LazyMethod, Service
from lamina.api.messages.health_pb2 import HealthCheckRequest, HealthCheckResponse
from lamina.errdefs import Unavailable
from lamina.lazy import once
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from tests.support.listener.engines import QUICK, RESPONSE, SECONDS, failure, open_channel

CALLS = 16


class Loaded:
    """Counts how often it is loaded, and fails as often as it is told."""

    def __init__(self, *errors, wait=lambda: None):
        self.errors = [*errors]
        self.attempts = 0
        self._wait = wait

    def __call__(self):
        self.attempts += 1
        self._wait()
        if self.errors:
            raise self.errors.pop(0)
        return {
            "One": (HealthCheckRequest, lambda _request: RESPONSE),
            "Many": (HealthCheckRequest, lambda _request: iter([RESPONSE, RESPONSE])),
            "InSteps": (HealthCheckRequest, in_steps),
        }


def in_steps(request):
    yield
    return RESPONSE if request.service == "x" else HealthCheckResponse()


def methods(loaded):
    load = once(loaded)
    return (
        LazyMethod("One", load=load, slow=True),
        LazyMethod("Many", load=load, slow=True, streams=True),
        LazyMethod("InSteps", load=load, slow=True, in_steps=True),
    )


def test_all_but_the_messages_and_the_handler_is_known_before_loading():
    method = LazyMethod("One", load=pytest.fail, streams=True, slow=True, logged={"name": "image"})
    assert (method.name, method.streams, method.slow, method.in_steps) == ("One", True, True, False)
    assert (method.target, method.logged) == (None, {"name": "image"})
    with pytest.raises(AttributeError, match="'LazyMethod' object has no attribute 'other'"):
        method.other  # noqa: B018 - evaluated for its exception


@pytest.mark.parametrize("name", ["One", "Many", "InSteps"])
def test_the_first_call_loads_the_service(serve, name):
    loaded = Loaded()
    served = serve(*methods(loaded))
    assert served.unary()
    assert loaded.attempts == 0
    for _ in range(2):
        if name == "Many":
            assert [*served.stream(name)] == [RESPONSE.SerializeToString()] * 2
        else:
            assert served.unary(name) == RESPONSE.SerializeToString()
    assert loaded.attempts == 1


def test_calls_that_come_at_once_load_it_once(serve):
    go = threading.Event()
    loaded = Loaded(wait=lambda: go.wait(SECONDS))
    served = serve(*methods(loaded), quick_workers=CALLS, slow_workers=2 * CALLS)
    calls = [served.begin(name) for name in ["One", "InSteps"] * (CALLS // 2)]
    assert served.unary()  # others are answered meanwhile
    go.set()
    assert {call.result(SECONDS) for call in calls} == {RESPONSE.SerializeToString()}
    assert loaded.attempts == 1


@pytest.mark.parametrize("name", ["One", "Many", "InSteps"])
def test_a_failure_to_load_is_answered_and_logged_and_the_next_call_tries_again(serve, caplog, name):
    loaded = Loaded(ImportError("no module x"), SystemExit(1), Unavailable("not yet"))
    served = serve(*methods(loaded))

    def ask():
        return [*served.stream(name)] if name == "Many" else [served.unary(name)]

    assert failure(ask) == (grpc.StatusCode.UNKNOWN, "ImportError: no module x")
    assert failure(ask)[0] == grpc.StatusCode.UNKNOWN
    assert failure(ask) == (grpc.StatusCode.UNAVAILABLE, "not yet: unavailable")
    assert {*ask()} == {RESPONSE.SerializeToString()}
    lines = [record for record in caplog.records if record.getMessage() == "a call failed unexpectedly"]
    assert [(line.method, line.exc_info[0]) for line in lines] == [
        (f"/test.Test/{name}", ImportError),
        (f"/test.Test/{name}", SystemExit),
    ]


def test_calls_of_a_service_that_does_not_load_are_counted(serve):
    served = serve(*methods(Loaded(ImportError("no module x"))))
    failure(lambda: served.unary("One"))
    (handled,) = (one for one in served.listener.metrics() if one.name == "grpc_server_handled_total")
    assert handled.samples["unary", "test.Test", "One", "", "Unknown"] == 1


def test_a_second_method_of_the_same_path_is_logged_at_the_start(tmp_path, caplog, make_engine):
    first, second = Loaded(), Loaded()
    services = [Service("test.Test", methods(first)), Service("test.Test", methods(second)[:1])]
    listener = Listener(str(tmp_path / "x.sock"), make_engine(Limits(quick_workers=1, slow_workers=2)), services)
    listener.start()
    with contextlib.closing(listener), open_channel(f"{tmp_path}/x.sock") as channel:
        (line,) = (
            one for one in caplog.records if one.getMessage().startswith("two plugins offer the same method")
        )
        assert line.method == "/test.Test/One"
        assert channel.unary_unary("/test.Test/One")(b"", timeout=SECONDS)
    assert (first.attempts, second.attempts) == (1, 0)


def test_a_service_that_cannot_be_loaded_does_not_affect_others(tmp_path, make_engine):
    broken = Service("test.Broken", methods(Loaded(*[ImportError()] * CALLS)))
    engine = make_engine(Limits(quick_workers=1, slow_workers=2))
    listener = Listener(str(tmp_path / "x.sock"), engine, [broken, Service("test.Test", (QUICK,))])
    listener.start()
    with contextlib.closing(listener), open_channel(f"{tmp_path}/x.sock") as channel:
        ask = channel.unary_unary("/test.Broken/One")
        for _ in range(CALLS // 2):
            assert failure(lambda: ask(b"", timeout=SECONDS))[0] == grpc.StatusCode.UNKNOWN
            assert channel.unary_unary("/test.Test/Quick")(b"", timeout=SECONDS)
