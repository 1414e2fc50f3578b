"""The receiving thread does not sleep between closely spaced calls."""

from __future__ import annotations

import attrs
import pytest

from lamina.plugins.servers.grpc.engines.native._adaptive_receiver import (
    AT_ONCE,
    MIN_ALONE,
    MIN_STREAK,
    PENALTY,
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


@pytest.mark.parametrize("processors", [1, 2])
def test_calls_that_wait_for_no_other_come_alone(processors):
    client = Client(pause=SPIN / 2)
    receiver = AdaptiveReceiver(processors=processors, clock=lambda: client.now)
    receive(receiver, client, MIN_ALONE - 1)
    assert not receiver.calls_come_alone
    receive(receiver, client, 1)
    assert receiver.calls_come_alone


@pytest.mark.parametrize("busy", [{"pause": AT_ONCE / 2}, {"calls": 2}], ids=["waited", "together"])
def test_calls_do_not_come_alone_for_long_after_one_that_has_waited(busy):
    client = Client(pause=SPIN / 2)
    receiver = AdaptiveReceiver(processors=2, clock=lambda: client.now)
    receive(receiver, client, MIN_ALONE)
    for name, value in busy.items():
        setattr(client, name, value)
    receive(receiver, client, 1)
    client.pause, client.calls = SPIN / 2, 1
    receive(receiver, client, PENALTY)
    assert not receiver.calls_come_alone
    receive(receiver, client, MIN_ALONE)
    assert receiver.calls_come_alone
