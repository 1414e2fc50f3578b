"""Background work pauses most of the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import Canceled
from lamina.snapshots.local import _throttled
from lamina.snapshots.local._throttled import throttled


class Clock:
    """A clock that advances only with work and sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def work(self, *seconds: float) -> Iterator[float]:
        """Yield items that take the given seconds to produce."""
        for each in seconds:
            self.now += each
            yield each


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_throttled, "time", clock)
    return clock


def test_every_item_comes_once_and_in_order(clock: Clock) -> None:
    assert list(throttled(clock.work(0.001, 0.0, 0.002))) == [0.001, 0.0, 0.002]


def test_a_pause_is_three_times_as_long_as_the_work_before(clock: Clock) -> None:
    list(throttled(clock.work(0.001, 0.002)))
    assert clock.pauses == pytest.approx([0.003, 0.006])


def test_the_work_of_the_consumer_counts(clock: Clock) -> None:
    for _ in throttled([1, 2]):
        clock.now += 0.001
    assert clock.pauses == pytest.approx([0.003, 0.003])


def test_little_work_is_done_without_a_pause(clock: Clock) -> None:
    list(throttled(clock.work(0.0001, 0.0002, 0.0001)))
    assert clock.pauses == []


def test_short_items_share_a_pause(clock: Clock) -> None:
    list(throttled(clock.work(*[0.00025] * 4)))
    assert clock.pauses == pytest.approx([0.0015, 0.0015])


def test_a_cancellation_ends_it_after_a_pause(clock: Clock) -> None:
    context, items = CallContext(), throttled(clock.work(0.001, 0.001))
    with use(context):
        next(items)
        context.cancel()
        with pytest.raises(Canceled):
            next(items)
    assert clock.pauses == pytest.approx([0.003])
