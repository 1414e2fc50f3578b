"""`call_within` and `Worker`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lamina.context import CallContext, current, use
from lamina.errdefs import LeftBehind, PluginFailed
from lamina.plugin import Worker, call_within
from tests.support.plugins.hanging import Hanging
from tests.support.waiting import interrupt_main_thread, wait_until


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """The event that a hanging call waits for, set at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def test_it_returns_what_the_function_returns() -> None:
    assert call_within(60, "init", "t.one", lambda: 5) == 5


def test_it_raises_what_the_function_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        call_within(60, "init", "t.one", lambda: 1 // 0)


def test_the_function_sees_the_context_of_the_caller() -> None:
    context = CallContext()
    with use(context):
        assert call_within(60, "init", "t.one", current) is context


def test_it_runs_in_a_thread_named_after_the_step() -> None:
    assert call_within(60, "init", "t.one", lambda: threading.current_thread().name) == "init t.one"


def test_without_a_deadline_it_runs_in_the_calling_thread() -> None:
    assert call_within(None, "init", "t.one", threading.current_thread) is threading.current_thread()


def test_a_function_is_left_behind_after_its_deadline(release: threading.Event) -> None:
    with pytest.raises(LeftBehind):
        call_within(0.01, "close", "t.one", release.wait)


def test_a_function_that_misses_its_deadline_continues_in_a_daemon_thread(hang: Hanging) -> None:
    with pytest.raises(LeftBehind, match=r"^close did not end within 0\.01 s and was left behind$") as caught:
        call_within(0.01, "close", "t.one", hang)
    thread = caught.value.thread
    assert thread is not None
    assert thread.daemon
    assert caught.value.is_running
    hang.release.set()
    thread.join(60)
    assert not caught.value.is_running


def test_a_late_result_is_passed_to_the_callback(hang: Hanging) -> None:
    late: list[bool] = []
    with pytest.raises(LeftBehind) as caught:
        call_within(0.01, "init", "t.one", hang, late.append)
    assert late == []
    hang.release.set()
    assert caught.value.thread is not None
    caught.value.thread.join(60)
    assert late == [True]


def test_an_interrupt_that_the_function_raises_is_a_failure() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(PluginFailed, match="it raised KeyboardInterrupt"):
        call_within(60, "start", "t.one", interrupted)


def test_a_result_in_time_is_not_late() -> None:
    late: list[int] = []
    assert call_within(60, "init", "t.one", lambda: 5, late.append) == 5
    assert late == []


def test_an_interrupt_ends_the_wait_and_names_the_running_function(release: threading.Event) -> None:
    late: list[bool] = []

    def hang() -> bool:
        interrupt_main_thread()
        return release.wait(60)

    with pytest.raises(KeyboardInterrupt) as caught:
        call_within(60, "init", "t.one", hang, late.append)
    cause = caught.value.__cause__
    assert isinstance(cause, LeftBehind)
    assert cause.is_running
    release.set()
    assert cause.thread is not None
    cause.thread.join(60)
    assert late == [True]


def test_a_worker_makes_its_calls_in_one_thread_named_after_each() -> None:
    def thread() -> tuple[threading.Thread, str]:
        return threading.current_thread(), threading.current_thread().name

    with Worker() as worker:
        first, first_name = worker.call_within(60, "init", "t.one", thread)
        second, second_name = worker.call_within(60, "init", "t.two", thread)
    assert first is second
    assert (first_name, second_name) == ("init t.one", "init t.two")
    assert not first.is_alive()


def test_a_call_that_raises_keeps_no_other_call_from_the_thread() -> None:
    with Worker() as worker:
        thread = worker.call_within(60, "init", "t.one", threading.current_thread)
        with pytest.raises(ZeroDivisionError):
            worker.call_within(60, "init", "t.two", lambda: 1 // 0)
        assert worker.call_within(60, "init", "t.three", threading.current_thread) is thread


def test_each_call_of_a_worker_sees_the_context_of_its_caller() -> None:
    with Worker() as worker:
        worker.call_within(60, "init", "t.one", lambda: use(CallContext(namespace="left")).__enter__())
        assert worker.call_within(60, "init", "t.two", current).namespace == current().namespace


def test_a_call_left_behind_does_not_hold_the_next_one(hang: Hanging) -> None:
    with Worker() as worker:
        with pytest.raises(LeftBehind) as caught:
            worker.call_within(0.01, "init", "t.one", hang)
        assert worker.call_within(60, "init", "t.two", lambda: 5) == 5
    assert caught.value.is_running
    hang.release.set()
    assert caught.value.thread is not None
    caught.value.thread.join(60)
    assert caught.value.thread.name == "init t.one"


def test_a_worker_can_be_used_again_after_its_block() -> None:
    worker = Worker()
    with worker:
        first = worker.call_within(60, "init", "t.one", threading.current_thread)
    with worker:
        assert worker.call_within(60, "init", "t.one", threading.current_thread) is not first


def test_an_interrupted_worker_serves_the_next_call(release: threading.Event) -> None:
    def hang() -> bool:
        interrupt_main_thread()
        return release.wait(60)

    with Worker() as worker:
        with pytest.raises(KeyboardInterrupt):
            worker.call_within(60, "init", "t.one", hang)
        assert worker.call_within(60, "init", "t.two", lambda: 5) == 5


@pytest.mark.parametrize("is_started", [False, True])
def test_an_interrupt_while_the_thread_starts_leaves_no_thread(
    monkeypatch: pytest.MonkeyPatch, *, is_started: bool
) -> None:
    ended: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        ended.append(thread)
        if is_started:
            original(thread)
        raise KeyboardInterrupt

    original = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    with Worker() as worker, pytest.raises(KeyboardInterrupt):
        worker.call_within(60, "init", "t.one", lambda: None)
    wait_until(lambda: not ended[0].is_alive(), 60, "the thread ends")


class InterruptedOnce:
    """The calls of a worker's thread, the first of which an interrupt precedes."""

    def __init__(self, thread: Any) -> None:
        self._put = thread.calls.put
        self._interrupts = [KeyboardInterrupt()]

    def put(self, call: object) -> None:
        if self._interrupts:
            raise self._interrupts.pop()
        self._put(call)


def test_an_interrupt_before_a_call_begins_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    with Worker() as worker:
        thread = worker.call_within(60, "init", "t.one", threading.current_thread)
        monkeypatch.setattr(thread, "calls", InterruptedOnce(thread))
        with pytest.raises(KeyboardInterrupt):
            worker.call_within(60, "init", "t.two", lambda: pytest.fail("it ran"))
        wait_until(lambda: not thread.is_alive(), 60, "the thread ends")
