"""The receiving thread does not sleep between closely spaced calls."""

from __future__ import annotations

import attrs
import pytest

from lamina.plugins.servers.grpc.engines.native._adaptive_receiver import (
    BRIEF,
    MAX_ALONE,
    MIN_ALONE,
    MIN_STREAK,
    SOON,
    SPIN,
    AdaptiveReceiver,
    Event,
)

CALL: Event = (0,)
LOOK = 0.000002


@attrs.define
class Client:
    """A client that calls some seconds after the last answer, on a simulated clock."""

    pause: float
    calls: int = 1
    """The size of a batch."""
    now: float = 0.0
    answered: float = 0.0
    looks: int = 0
    sleeps: int = 0

    def recv_batch_details(self, _max_events: int, timeout_ms: int | None = None, /) -> list[Event] | None:
        due = self.answered + self.pause
        if timeout_ms == 0:
            self.looks += 1
            self.now += LOOK
            if self.now < due:
                return []
        else:
            self.sleeps += 1
            self.now = max(self.now, due)
        self.answered = self.now
        return [CALL] * self.calls


def served(client: Client, calls: int, *, processors: int = 2) -> Client:
    receive(AdaptiveReceiver(processors=processors, clock=lambda: client.now), client, calls)
    return client


def receive(receiver: AdaptiveReceiver, client: Client, calls: int) -> None:
    for _ in range(calls):
        assert receiver.receive(client) == [CALL] * client.calls


def test_the_receiver_spins_between_closely_spaced_calls():
    assert served(Client(pause=SPIN / 2), 100).sleeps == MIN_STREAK


@pytest.mark.parametrize("client", [Client(pause=2 * SOON), Client(pause=SPIN / 2, calls=2)], ids=str)
def test_the_receiver_sleeps_between_distant_or_batched_calls(client):
    assert served(client, 100).looks == 0


def test_the_receiver_does_not_spin_on_a_single_processor():
    assert served(Client(pause=SPIN / 2), 100, processors=1).looks == 0


def test_the_receiver_stops_spinning_after_unsuccessful_spins():
    client = served(Client(pause=(SPIN + SOON) / 2), 10 * MIN_STREAK)
    assert client.looks <= 10 * (SPIN / LOOK + 1)
    assert client.sleeps == 10 * MIN_STREAK


@pytest.mark.parametrize("spinning", [False, True])
def test_the_receiver_reports_the_end(spinning):
    class Closed:
        def recv_batch_details(self, _max_events: int, _timeout_ms: int | None = None, /) -> None:
            return None

    receiver = AdaptiveReceiver(processors=2, clock=lambda: 0.0)
    if spinning:
        for _ in range(MIN_STREAK):
            receiver.receive(Client(pause=0))
    assert receiver.receive(Closed()) is None


class Lone:
    """A client whose calls come alone, but for those that come during its writes."""

    def __init__(self, pause: float = SPIN / 2) -> None:
        self.client = Client(pause=pause)
        self.receiver = AdaptiveReceiver(processors=2, clock=lambda: self.client.now)
        self.waiting: list[Event] = []

    def call(self, calls: int = 1) -> None:
        receive(self.receiver, self.client, calls)

    def calls_until_alone(self) -> int:
        calls = 0
        while not self.receiver.calls_come_alone:
            self.call()
            calls += 1
        return calls

    def write(self, seconds: float = BRIEF / 2) -> list[Event]:
        began = self.client.now
        self.client.now += seconds
        return self.receiver.receive_waiting(self, began)

    def recv_batch_details(self, _max_events: int, timeout_ms: int | None = None, /) -> list[Event] | None:
        assert timeout_ms == 0
        return self.waiting


@pytest.fixture
def lone() -> Lone:
    lone = Lone()
    assert lone.calls_until_alone() == MIN_ALONE
    return lone


def test_calls_come_alone_as_long_as_none_comes_with_another_or_during_a_brief_write(lone):
    for _ in range(10):
        lone.call()
        assert lone.write() == []
        assert lone.receiver.calls_come_alone


def test_calls_that_come_together_do_not_come_alone(lone):
    lone.client.calls = 2
    lone.call()
    lone.client.calls = 1
    assert lone.calls_until_alone() == 2 * MIN_ALONE


def test_calls_that_come_during_a_write_are_received_and_do_not_come_alone(lone):
    lone.waiting = [CALL, CALL]
    assert lone.write() == [CALL, CALL]
    assert lone.calls_until_alone() == 2 * MIN_ALONE


def test_calls_do_not_come_alone_after_a_long_write_for_which_others_would_have_waited(lone):
    assert lone.write(BRIEF) == []
    assert not lone.receiver.calls_come_alone


def test_each_disturbance_doubles_the_calls_until_the_next_attempt_and_each_success_halves_them(lone):
    expected = MIN_ALONE
    while expected < MAX_ALONE:
        lone.write(BRIEF)
        expected *= 2
        assert lone.calls_until_alone() == expected
    lone.write(BRIEF)
    assert lone.calls_until_alone() == MAX_ALONE
    lone.write()
    lone.write(BRIEF)
    assert lone.calls_until_alone() == MAX_ALONE
    for _ in range(10):
        lone.write()
    lone.write(BRIEF)
    assert lone.calls_until_alone() == 2 * MIN_ALONE
