"""Values that are made once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lamina.lazy import once

THREADS = 8


def test_a_value_is_made_when_it_is_first_asked_for():
    made = []
    get = once(lambda: made.append("value"))
    assert not made
    get()
    get()
    assert made == ["value"]


def test_threads_that_ask_at_once_get_the_value_that_one_of_them_has_made():
    asking = threading.Barrier(THREADS)
    made = []

    @once
    def get():
        made.append(object())
        return made[-1]

    def ask(_number):
        asking.wait()
        return get()

    with ThreadPoolExecutor(THREADS) as threads:
        got = set(threads.map(ask, range(THREADS)))
    assert got == {*made}
    assert len(made) == 1


def test_those_who_wait_for_a_value_that_cannot_be_made_try_themselves():
    failing, waiting = threading.Event(), threading.Event()
    attempts = []

    @once
    def get():
        attempts.append(threading.current_thread())
        if len(attempts) == 1:
            failing.set()
            waiting.wait(60)
            raise ImportError("no such file")
        return "value"

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(get)
        assert failing.wait(60)
        second = threads.submit(get)
        waiting.set()
        assert second.result(60) == "value"
    assert isinstance(first.exception(60), ImportError)


@pytest.mark.parametrize("error", [ImportError("no such file"), MemoryError(), KeyboardInterrupt(), SystemExit(1)])
def test_after_any_failure_the_next_one_who_asks_tries_again(error):
    outcomes = iter([error, error, "value"])

    @once
    def get():
        outcome = next(outcomes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    for _ in range(2):
        with pytest.raises(type(error)):
            get()
    assert [get(), get()] == ["value", "value"]
