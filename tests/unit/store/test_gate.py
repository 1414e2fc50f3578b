"""A gate lets transactions pass, and stops them for exclusive holders."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lamina.errdefs import Unavailable
from lamina.store._gate import Gate
from tests.support.waiting import wait_until

DEADLINE = 60.0


@pytest.fixture
def gate() -> Gate:
    return Gate("/metastore")


def test_many_threads_may_be_inside(gate: Gate) -> None:
    with gate.inside(), gate.inside():
        pass
    with gate.alone():
        pass


def test_an_exclusive_holder_excludes_all_others(gate: Gate) -> None:
    inside, met = [0], []
    lock = threading.Lock()

    def count(change: int) -> None:
        with lock:
            inside[0] += change

    def enter() -> None:
        for _ in range(2000):
            with gate.inside():
                count(1)
                count(-1)

    def be_alone() -> None:
        for _ in range(200):
            with gate.alone():
                met.append(inside[0])

    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(work) for work in (enter, enter, enter, enter, be_alone, be_alone)]:
            done.result(DEADLINE)
    assert met == [0] * 400


def begun(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_close_waits_for_holders_and_admits_no_new_ones(gate: Gate) -> None:
    closed: list[bool] = []
    with gate.inside():
        closing = begun(lambda: gate.close(lambda: closed.append(True)))

        def refused() -> bool:
            try:
                with gate.inside():
                    return False
            except Unavailable:
                return True

        wait_until(refused, DEADLINE, "the gate lets nobody in")
        assert not closed
    closing.join(DEADLINE)
    assert closed == [True]
    gate.close(lambda: closed.append(False))
    assert closed == [True]


def test_the_second_of_two_exclusive_holders_excludes_all_others_as_well(gate: Gate) -> None:
    admitted: list[bool] = []

    def be_alone() -> None:
        with gate.alone():
            admitted.append(gate.try_enter())

    with gate.inside():
        threads = [begun(be_alone) for _ in range(2)]
        wait_until(lambda: len(gate._condition._waiters) == 2, DEADLINE, "both wait")
    for thread in threads:
        thread.join(DEADLINE)
    assert admitted == [False, False]


def test_waiters_for_an_exclusive_holder_fail_if_the_gate_is_closed(gate: Gate) -> None:
    told: list[type[BaseException]] = []
    alone, go = threading.Event(), threading.Event()

    def be_alone() -> None:
        with gate.alone():
            alone.set()
            go.wait(DEADLINE)
            gate.close(lambda: None)

    def enter() -> None:
        try:
            gate.enter()
        except Unavailable as error:
            told.append(type(error))

    first = begun(be_alone)
    assert alone.wait(DEADLINE)
    second = begun(enter)
    go.set()
    for thread in (first, second):
        thread.join(DEADLINE)
    assert told == [Unavailable]
