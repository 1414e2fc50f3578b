"""Quick calls take turns, and do not wait for one that is stuck."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from lamina.plugins.servers.grpc.quick import STUCK, QuickCalls

DEADLINE = 10.0


class Stuck:
    """A call that waits until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        self.let_go.wait(DEADLINE)


@pytest.fixture
def limit() -> int:
    return 2


@pytest.fixture
def calls(limit) -> Iterator[QuickCalls[Callable[[], None]]]:
    calls: QuickCalls[Callable[[], None]] = QuickCalls(lambda call: call(), limit)
    calls.start()
    yield calls
    calls.stop()


@pytest.fixture
def stuck(calls) -> Iterator[Callable[[], Stuck]]:
    """Brings a call that is stuck, in a thread of its own."""
    brought: list[Stuck] = []
    with ThreadPoolExecutor(4) as threads:

        def bring() -> Stuck:
            call = Stuck()
            brought.append(call)
            threads.submit(calls.add, call)
            return call

        yield bring
        for call in brought:
            call.let_go.set()


def test_the_thread_that_brings_a_call_answers_it(calls):
    answered_by = []
    calls.add(lambda: answered_by.append(threading.get_ident()))
    assert answered_by == [threading.get_ident()]


def test_calls_that_many_threads_bring_are_all_answered_and_never_more_than_the_limit_at_a_time(calls):
    at_once = threading.Semaphore(2)
    answered: list[bool] = []

    def quick() -> None:
        allowed = at_once.acquire(blocking=False)
        answered.append(allowed)
        if allowed:
            at_once.release()

    def bring(count: int) -> None:
        for _ in range(count):
            calls.add(quick)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(bring, [500] * 8))
    done = threading.Event()
    calls.add(done.set)
    assert done.wait(DEADLINE)
    assert answered == [True] * 4000


def test_a_call_behind_one_that_is_stuck_is_answered_beside_it(calls, stuck):
    first = stuck()
    assert first.begun.wait(DEADLINE)
    done = threading.Event()
    calls.add(done.set)
    assert done.wait(DEADLINE)
    assert not first.let_go.is_set()


def test_no_more_calls_than_the_limit_are_answered_side_by_side(calls, stuck):
    both = [stuck(), stuck()]
    assert all(one.begun.wait(DEADLINE) for one in both)
    done = threading.Event()
    calls.add(done.set)
    assert not done.wait(0.1)
    both[0].let_go.set()
    assert done.wait(DEADLINE)


def test_whoever_brings_a_call_while_one_is_stuck_can_go_on(calls, stuck):
    first = stuck()
    assert first.begun.wait(DEADLINE)
    second = Stuck()
    calls.add(second)  # returns
    assert second.begun.wait(DEADLINE)
    second.let_go.set()


@pytest.mark.parametrize("limit", [3])
def test_calls_that_are_brought_together_behind_a_stuck_one_do_not_wait_for_each_other(calls, stuck):
    first = stuck()
    assert first.begun.wait(DEADLINE)
    assert not first.let_go.wait(10 * STUCK)
    both = [Stuck(), Stuck()]
    for one in both:
        calls.add(one)
    assert all(one.begun.wait(DEADLINE / 2) for one in both)  # before a stuck one gives up
    for one in both:
        one.let_go.set()


def test_an_answer_that_fails_is_logged_and_keeps_nobody_from_being_answered(calls, caplog):
    def fail() -> None:
        raise OSError("gone")

    done = threading.Event()
    calls.add(fail)
    calls.add(done.set)
    assert done.is_set()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "answering a call failed")
    ]
