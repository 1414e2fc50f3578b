"""Streams whose clients do not read hold no thread, and little memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import attrs
import pytest

from lamina.context import CallContext, current
from lamina.errdefs import Canceled, DeadlineExceeded, ResourceExhausted
from lamina.plugins.servers.grpc.engines.native import _streams
from lamina.plugins.servers.grpc.engines.native._streams import CLOSED, FULL, SENT, Messages, Streams
from tests.support.waiting import wait_until

SECONDS = 60.0


@attrs.define
class Client:
    """Takes as many messages as it has room for."""

    room: int = 0
    gone: bool = False
    got: list[bytes] = attrs.field(factory=list)

    def send(self, _call: int, data: bytes) -> int:
        if self.gone:
            return CLOSED
        if not self.room:
            return FULL
        self.room -= 1
        self.got.append(data)
        return SENT


@attrs.define
class Answer:
    """Messages, and how they ended."""

    count: int = 5
    size: int = 1
    ended: threading.Event = attrs.field(factory=threading.Event)
    error: BaseException | None = None

    def messages(self) -> Messages:
        try:
            for number in range(self.count):
                yield current().trace_id.encode() + b"%d" % number * self.size
        except BaseException as error:  # noqa: BLE001 - as an engine, which answers the client
            self.error = error
        self.ended.set()


def in_a_thread(do: Callable[[], None]) -> None:
    threading.Thread(target=do).start()


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def stalled() -> float:
    return SECONDS


@pytest.fixture
def made(client, stalled, monkeypatch) -> Iterator[Streams]:
    monkeypatch.setattr(_streams, "PATIENCE", 0)
    made = Streams(client.send, stalled)
    made.start()
    yield made
    made.stop()


def test_a_stream_is_sent_by_one_thread_if_its_client_reads(made, client) -> None:
    client.room, answer = 5, Answer()
    made.answer(1, answer.messages(), CallContext(trace_id="t"), in_a_thread)
    assert answer.ended.is_set()
    assert client.got == [b"t0", b"t1", b"t2", b"t3", b"t4"]


def test_a_client_that_stops_reading_holds_no_thread_and_gets_the_rest_later(made, client) -> None:
    client.room, answer = 2, Answer()
    made.answer(1, answer.messages(), CallContext(trace_id="t"), in_a_thread)
    assert made.parked() == 1
    client.room = 1
    wait_until(lambda: len(client.got) == 3 and made.parked() == 1, SECONDS, "one more is sent")
    client.room = 2
    assert answer.ended.wait(SECONDS)
    assert client.got == [b"t0", b"t1", b"t2", b"t3", b"t4"]
    assert answer.error is None


def test_a_disconnect_ends_the_stream(made, client) -> None:
    answer = Answer()
    made.answer(1, answer.messages(), CallContext(), in_a_thread)
    client.gone = True
    assert answer.ended.wait(SECONDS)
    assert isinstance(answer.error, Canceled)


def test_a_cancelled_call_ends_its_stream(made) -> None:
    answer, context = Answer(), CallContext()
    made.answer(1, answer.messages(), context, in_a_thread)
    context.cancel()
    assert answer.ended.wait(SECONDS)
    assert isinstance(answer.error, Canceled)


def test_a_deadline_ends_a_stream(made) -> None:
    answer, context = Answer(), CallContext()
    made.answer(1, answer.messages(), context, in_a_thread)
    context.deadline = 0.0
    assert answer.ended.wait(SECONDS)
    assert isinstance(answer.error, DeadlineExceeded)


@pytest.mark.parametrize("stalled", [0.01])
def test_a_client_that_does_not_read_for_long_loses_its_stream(made) -> None:
    answer = Answer()
    made.answer(1, answer.messages(), CallContext(), in_a_thread)
    assert answer.ended.wait(SECONDS)
    assert str(answer.error) == "the client has stopped reading"


@pytest.mark.parametrize(("name", "limit"), [("PARKED", 3), ("PARKED_BYTES", 3000)])
def test_beyond_the_limits_the_longest_parked_streams_end(made, monkeypatch, name, limit) -> None:
    monkeypatch.setattr(_streams, name, limit)
    answers = [Answer(size=1000) for _ in range(5)]
    for number, answer in enumerate(answers):
        made.answer(number, answer.messages(), CallContext(), in_a_thread)
    assert all(answer.ended.wait(SECONDS) for answer in answers[:2])
    assert isinstance(answers[0].error, ResourceExhausted)
    assert made.parked() == 3
    assert not any(answer.ended.is_set() for answer in answers[2:])
