"""Workers are shared so that no backend can hold all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from lamina.context import CallContext
from lamina.errdefs import ResourceExhausted, Unavailable
from lamina.plugins.servers.grpc._shares import Shares
from lamina.plugins.servers.grpc.engines.native import _queues
from lamina.plugins.servers.grpc.engines.native._queues import FairQueues
from tests.support.waiting import wait_until

SECONDS = 60.0
A, B = ("a", "Commit"), ("b", "Commit")


def taken(shares: Shares, key: tuple[str, str]) -> int:
    """Take as many workers as possible for a key, and return their number."""
    count = 0
    while shares.may_take(key):
        shares.take(key)
        count += 1
    return count


def test_a_method_may_hold_a_quarter_of_the_workers_and_its_backend_half() -> None:
    shares = Shares(64)
    assert [taken(shares, ("a", method)) for method in ("List", "Commit", "Usage", "Remove")] == [16, 8, 4, 2]
    assert shares.held() == {"a": 30}


def test_each_further_backend_may_hold_half_of_what_is_left() -> None:
    shares = Shares(64)
    held = [sum(taken(shares, (name, f"{number}")) for number in range(20)) for name in "abcdef"]
    assert held == [32, 16, 8, 4, 2, 1]
    assert taken(shares, ("g", "Stat")) == 1


def test_released_slots_can_be_reused() -> None:
    shares = Shares(8)
    count = taken(shares, A)
    for _ in range(count):
        shares.give(A)
    assert shares.free
    assert taken(shares, A) == count


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_first_call_always_has_a_worker(workers: int) -> None:
    assert taken(Shares(workers), A) == 1


class Blocking:
    """Something to do that waits until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self) -> None:
        self.begun.release()
        self.go.wait(SECONDS)

    def wait_begun(self, count: int) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=SECONDS)


@pytest.fixture
def blocking() -> Iterator[Blocking]:
    blocking = Blocking()
    yield blocking
    blocking.go.set()


@pytest.fixture
def made() -> Iterator[FairQueues]:
    made = FairQueues("call", 8)
    yield made
    made.stop()


def loads(made: FairQueues) -> dict[str, tuple[int, int]]:
    return {load.backend: (load.running, load.waiting) for load in made.loads()}


def test_slots_of_one_backend_do_not_block_others(made, blocking) -> None:
    done = threading.Event()
    for _ in range(20):
        made.add(A, blocking, CallContext())
    blocking.wait_begun(2)
    made.add(B, done.set, CallContext())
    assert done.wait(SECONDS)
    assert loads(made)["a"] == (2, 18)


def test_queues_take_turns(blocking) -> None:
    made = FairQueues("call", 1)
    order: list[str] = []
    made.add(A, blocking, CallContext())
    blocking.wait_begun(1)
    for key in (A, A, A, B, B, B):
        made.add(key, lambda name=key[0]: order.append(name), CallContext())
    blocking.go.set()
    wait_until(lambda: len(order) == 6, SECONDS, "all are done")
    made.stop()
    assert order == ["a", "b", "a", "b", "a", "b"]


def test_calls_beyond_the_limit_of_a_queue_are_refused(made, blocking, monkeypatch) -> None:
    monkeypatch.setattr(_queues, "MAX_QUEUED", 3)
    for _ in range(5):
        made.add(A, blocking, CallContext())
    with pytest.raises(ResourceExhausted, match="a: too many calls of Commit wait for an answer"):
        made.add(A, blocking, CallContext())
    made.add(B, blocking, CallContext())


@pytest.mark.parametrize("context", [CallContext(cancelled=True), CallContext(deadline=time.monotonic() - 1)])
def test_cancelled_waiting_calls_free_their_slots(made, blocking, monkeypatch, context) -> None:
    monkeypatch.setattr(_queues, "MAX_QUEUED", 1)
    for _ in range(2):
        made.add(A, blocking, CallContext())
    ended = threading.Event()
    made.add(A, ended.set, context)
    made.add(A, blocking, CallContext())
    assert ended.is_set()


def test_running_calls_continue_however_many_wait(made, blocking, monkeypatch) -> None:
    monkeypatch.setattr(_queues, "MAX_QUEUED", 0)
    done = threading.Event()
    made.resume(A, done.set, CallContext())
    assert done.wait(SECONDS)


def test_a_failing_call_affects_no_other(made, caplog) -> None:
    def fail() -> None:
        raise SystemExit(1)

    done = threading.Event()
    for _ in range(20):
        made.add(A, fail, CallContext())
    made.add(A, done.set, CallContext())
    assert done.wait(SECONDS)
    assert {record.getMessage() for record in caplog.records} == {"call failed"}


def test_without_a_thread_a_call_is_refused_and_nothing_stays_behind(made, monkeypatch) -> None:
    def no_thread(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Unavailable, match="no thread"):
            made.add(A, lambda: None, CallContext())
    assert loads(made) == {"": (0, 0), "a": (0, 0)}
    done = threading.Event()
    made.add(A, done.set, CallContext())
    assert done.wait(SECONDS)


def test_no_call_begins_after_stop(made) -> None:
    made.stop()
    with pytest.raises(Unavailable, match="about to stop"):
        made.add(A, lambda: None, CallContext())
    done = threading.Event()
    made.resume(A, done.set, CallContext())
    assert done.is_set()
