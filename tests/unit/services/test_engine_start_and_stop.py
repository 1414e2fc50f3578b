"""Engines and listeners start and stop without losing calls."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import grpc
import pytest

from lamina.api import Service
from lamina.errdefs import Unimplemented
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.servers.grpc.engines.native import NativeEngine
from tests.support.listener.engines import (
    QUICK,
    REQUEST,
    RESPONSE,
    SECONDS,
    failure,
    method,
    raising,
    wait_until_gone,
)
from tests.support.waiting import wait_until


def test_a_late_service_is_served_or_refused_with_the_remedy(serve):
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


def test_calls_before_the_start_wait_for_it(tmp_path, make_engine):
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


def test_running_and_new_calls_are_answered_while_the_listener_closes(serve, blocker, tmp_path):
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
    code, details = failure(lambda: call.result(timeout=SECONDS))
    assert code in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
    if isinstance(served.engine, NativeEngine):
        assert "the host is about to stop: repeat the call" in details


@pytest.mark.parametrize("name", ["a b%20c.sock", "ü?#.sock"])
def test_a_path_is_used_verbatim(serve, tmp_path, name):
    serve(path=tmp_path / name)
    (tmp_path / name).rename(tmp_path / "plain")
    with grpc.insecure_channel(f"unix:{tmp_path / 'plain'}") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS)


def test_a_broken_service_does_not_prevent_others(tmp_path, caplog, make_engine):
    good = Service("test.Test", (QUICK,))
    engine = make_engine(Limits(quick_workers=1, slow_workers=1))
    listener = Listener(str(tmp_path / "x.sock"), engine, [Service("broken.X", None), good])
    listener.start()
    with contextlib.closing(listener), grpc.insecure_channel(f"unix:{tmp_path}/x.sock") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS) == RESPONSE.SerializeToString()
    assert "broken.X" in vars(caplog.records[0])["service"]
