"""The receiving thread answers calls, and is replaced while one is blocked."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from lamina.plugins.servers.grpc.engines.native import _relieved_worker
from lamina.plugins.servers.grpc.engines.native._relieved_worker import RelievedWorker
from tests.support.waiting import wait_until

DEADLINE = 60.0


class Stuck:
    """A call that waits until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.ended = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        self.let_go.wait(DEADLINE)
        self.ended.set()


class Served:
    """Batches of calls and their receiver."""

    def __init__(self, limit: int) -> None:
        self.batches: queue.SimpleQueue[list[Callable[[], object]] | None] = queue.SimpleQueue()
        self.received_by: list[threading.Thread] = []
        self.calls: RelievedWorker[Callable[[], object]] = RelievedWorker(
            "call", self.receive, lambda call: call(), limit
        )

    def receive(self) -> bool:
        batch = self.batches.get()
        self.received_by.append(threading.current_thread())
        for call in batch or ():
            self.calls.add(call)
        return batch is not None

    def bring(self, *calls: Callable[[], object]) -> None:
        self.batches.put(list(calls))

    def bring_stuck(self) -> Stuck:
        call = Stuck()
        self.bring(call)
        assert call.begun.wait(DEADLINE)
        return call


@pytest.fixture
def limit() -> int:
    return 2


@pytest.fixture
def served(limit) -> Iterator[Served]:
    served = Served(limit)
    served.calls.start()
    yield served
    served.calls.stop()
    served.batches.put(None)


def answered(served: Served) -> bool:
    """Whether one more call is answered."""
    done = threading.Event()
    served.bring(done.set)
    return done.wait(DEADLINE)


@pytest.mark.usefixtures("unrelieved")
def test_the_thread_that_receives_calls_answers_them_in_their_order(served):
    answers: list[tuple[int, threading.Thread]] = []
    served.bring(*(lambda n=n: answers.append((n, threading.current_thread())) for n in range(3)))
    assert answered(served)
    assert answers == [(n, served.received_by[0]) for n in range(3)]


def test_a_call_after_a_blocked_one_is_answered_by_another_thread(served):
    first = served.bring_stuck()
    assert answered(served)
    assert not first.ended.is_set()
    first.let_go.set()


def test_a_call_received_with_a_blocked_one_is_answered_by_another_thread(served):
    first, done = Stuck(), threading.Event()
    served.bring(first, done.set)
    assert done.wait(DEADLINE)
    assert not first.ended.is_set()
    first.let_go.set()


def test_at_most_the_limit_of_calls_run_concurrently_and_others_wait(served):
    both = [served.bring_stuck(), served.bring_stuck()]
    third = Stuck()
    served.bring(third)
    wait_until(lambda: served.calls.load().waiting == 1, DEADLINE, "the third call waits")
    assert served.calls.load().running == 2
    both[0].let_go.set()
    assert third.begun.wait(DEADLINE)
    assert not both[1].ended.is_set()
    for one in (third, both[1]):
        one.let_go.set()


def test_calls_are_received_while_all_threads_are_blocked(served):
    both = [served.bring_stuck(), served.bring_stuck()]
    wait_until(lambda: len(set(served.received_by)) == 2, DEADLINE, "a second thread receives")
    before = len(served.received_by)
    served.bring()
    wait_until(lambda: len(served.received_by) > before, DEADLINE, "a third thread receives")
    for one in both:
        one.let_go.set()


@pytest.mark.parametrize("limit", [1])
def test_with_a_limit_of_one_all_waiting_calls_are_answered_afterwards(served):
    first = served.bring_stuck()
    answers: list[int] = []
    served.bring(*(lambda n=n: answers.append(n) for n in range(100)))
    wait_until(lambda: served.calls.load().waiting == 100, DEADLINE, "all wait")
    first.let_go.set()
    assert answered(served)
    assert answers == list(range(100))


def test_a_relieved_thread_ends_and_receives_nothing(served):
    first = served.bring_stuck()
    stuck_in = served.received_by[-1]
    assert answered(served)
    first.let_go.set()
    wait_until(lambda: not stuck_in.is_alive(), DEADLINE, "the thread ends")
    assert answered(served)
    assert stuck_in not in served.received_by[1:]


def test_repeatedly_blocked_calls_are_not_lost(served):
    slow = [Stuck() for _ in range(20)]
    answers: list[int] = []

    def let_go() -> None:
        for call in slow:
            assert call.begun.wait(DEADLINE)
            call.let_go.set()

    releasing = threading.Thread(target=let_go)
    releasing.start()
    for number, call in enumerate(slow):
        served.bring(call, lambda n=number: answers.append(n))
    releasing.join(DEADLINE)
    wait_until(lambda: len(answers) == len(slow), DEADLINE, "all are answered")
    assert sorted(answers) == list(range(len(slow)))
    wait_until(lambda: served.calls.load().running == 0, DEADLINE, "no call runs")


def test_starting_a_thread_is_retried_after_a_failure(served, monkeypatch):
    start, tried = threading.Thread.start, []

    def refuse_twice(thread: threading.Thread) -> None:
        tried.append(thread)
        if len(tried) <= 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_twice)
    first = served.bring_stuck()
    assert answered(served)
    assert len(tried) >= 3
    first.let_go.set()


def test_a_failing_answer_is_logged_and_blocks_no_other(served, caplog):
    def fail() -> None:
        raise OSError("gone")

    served.bring(fail)
    assert answered(served)
    # A thread that has no processor for 5 ms is taken for stuck: then another one answers before it logs.
    wait_until(lambda: caplog.records, DEADLINE, "the error is logged")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("ERROR", "call failed")]


def test_all_threads_end_after_the_last_batch(limit):
    served = Served(limit)
    before = set(threading.enumerate())
    served.calls.start()
    assert answered(served)
    served.calls.stop()
    served.batches.put(None)
    wait_until(lambda: not set(threading.enumerate()) - before, DEADLINE, "all threads end")


class Meanwhile:
    """A call that receives before it ends, once it is let go."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.begun, self.let_go, self.received = (threading.Event() for _ in range(3))
        self.outcome: bool | None = None
        self.ended = threading.Event()

    def __call__(self) -> None:
        self.begun.set()
        self.let_go.wait(DEADLINE)
        self.outcome = self.served.calls.receive_meanwhile(self.receive)
        self.ended.set()

    def receive(self) -> None:
        self.before_receiving()
        self.served.calls.add(self.received.set)

    def before_receiving(self) -> None:
        pass


@pytest.mark.usefixtures("unrelieved")
def test_a_thread_is_not_relieved_while_it_receives_during_a_call(served, monkeypatch):
    receivers: list[threading.Thread] = []

    def look_for_blocked() -> None:
        monkeypatch.setattr(_relieved_worker, "BLOCKED", 0.0)  # any time of a call is too long
        served.calls._relieve()
        receivers.append(served.calls._receiver)

    call = Meanwhile(served)
    call.before_receiving = look_for_blocked
    call.let_go.set()
    served.bring(call)
    assert call.received.wait(DEADLINE), "nothing else comes that would wake a thread for it"
    assert call.ended.wait(DEADLINE)
    assert call.outcome is True
    assert receivers == served.received_by[:1]


def test_a_thread_that_was_relieved_does_not_receive_during_its_call(served):
    call = Meanwhile(served)
    served.bring(call)
    assert call.begun.wait(DEADLINE)
    relieved = threading.Event()
    served.bring(relieved.set)
    assert relieved.wait(DEADLINE)
    call.let_go.set()
    assert call.ended.wait(DEADLINE)
    assert call.outcome is False


def test_a_thread_that_has_received_during_a_call_is_relieved_when_it_blocks_again(served):
    stuck = Stuck()
    served.bring(lambda: (served.calls.receive_meanwhile(lambda: None), stuck()))
    assert stuck.begun.wait(DEADLINE)
    relieved = threading.Event()
    served.bring(relieved.set)
    assert relieved.wait(DEADLINE)
    stuck.let_go.set()
