"""Engines and listeners start and stop without losing calls."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from pathlib import Path
from typing import BinaryIO

import grpc
import pytest

from lamina.api import Service
from lamina.errdefs import Unimplemented
from lamina.plugins.servers.grpc import _listener
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.servers.grpc.engines.native import NativeEngine
from tests.support.listener import raw_http2
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
    with contextlib.closing(listener), open_channel(f"{tmp_path}/x.sock") as channel:
        listener.listen()
        call = channel.unary_unary("/test.Test/Quick").future(REQUEST, timeout=SECONDS)
        wait_until(
            lambda: Path("/proc/net/unix").read_text().count(f"{tmp_path}/x.sock") >= 2, SECONDS, "a connection"
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
    with open_channel(f"{tmp_path}/x.sock") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS) == RESPONSE.SerializeToString()
    assert not call.done()
    blocker.go.set()
    assert call.result(timeout=SECONDS) == RESPONSE.SerializeToString()
    closing.join(SECONDS)
    assert not closing.is_alive()


def test_clients_are_asked_for_no_more_calls_and_those_that_are_under_way_are_answered(
    serve, tmp_path, monkeypatch
):
    monkeypatch.setattr(_listener, "RETIRE_GRACE", SECONDS)  # for a loaded machine
    served = serve()
    with (
        raw_http2.Connection(f"{tmp_path}/x.sock") as client,
        client.socket.makefile("rb") as frames,
    ):
        client.socket.settimeout(SECONDS)
        client.send(raw_http2.call(1, "test.Test/Quick", REQUEST))
        response = read_until(frames, raw_http2.DATA, stream=1)
        assert read_until(frames, raw_http2.HEADERS, stream=1)
        closing = threading.Thread(target=served.listener.close)
        closing.start()
        assert read_until(frames, raw_http2.GOAWAY, stream=0) == struct.pack(">II", 2**31 - 1, 0)
        client.send(raw_http2.call(3, "test.Test/Quick", REQUEST))
        assert read_until(frames, raw_http2.DATA, stream=3) == response
        client.socket.shutdown(socket.SHUT_RDWR)
        closing.join(SECONDS)
        assert not closing.is_alive()


def read_until(frames: BinaryIO, kind: int, stream: int) -> bytes:
    """Read frames until one of a kind comes for a stream; returns its payload."""
    while True:
        length, found, _, number = struct.unpack(">I", b"\0" + frames.read(3)) + struct.unpack(
            ">BBI", frames.read(6)
        )
        payload = frames.read(length)
        if (found, number) == (kind, stream):
            return payload


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
    with open_channel(tmp_path / "plain") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS)


def test_a_broken_service_does_not_prevent_others(tmp_path, caplog, make_engine):
    good = Service("test.Test", (QUICK,))
    engine = make_engine(Limits(quick_workers=1, slow_workers=1))
    listener = Listener(str(tmp_path / "x.sock"), engine, [Service("broken.X", None), good])
    listener.start()
    with contextlib.closing(listener), open_channel(f"{tmp_path}/x.sock") as channel:
        assert channel.unary_unary("/test.Test/Quick")(REQUEST, timeout=SECONDS) == RESPONSE.SerializeToString()
    assert any("broken.X" in vars(record).get("service", "") for record in caplog.records)
