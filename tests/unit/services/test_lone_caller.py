"""The receiving thread runs the writes of a lone caller, and no other call waits for them."""

from __future__ import annotations

import threading

import pytest

from lamina.plugins.servers.grpc.engines.native import NativeEngine, _adaptive_receiver
from lamina.plugins.servers.grpc.engines.native._adaptive_receiver import MIN_ALONE
from lamina.steps import Shared, ask
from tests.support.listener.engines import RESPONSE, SECONDS, Served, method
from tests.support.waiting import wait_until

RECEIVING, STORING = "quick call", "storing call"


class Disk(Shared[None]):
    """Performs requests when it may, and notes the threads that wait for it."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.may.set()
        self.threads: list[str] = []

    def perform(self, requests):
        self.threads.append(threading.current_thread().name.rpartition(" ")[0])
        assert self.may.wait(SECONDS)

    def handler(self, _request):
        yield from ask(self, None)
        return RESPONSE


@pytest.fixture
def make_engine():
    return NativeEngine


@pytest.fixture
def disk():
    disk = Disk()
    yield disk
    disk.may.set()


@pytest.fixture
def served(serve, disk, blocker):
    return serve(
        method("Write", disk.handler, in_steps=True, slow=True), method("Block", blocker), quick_workers=2
    )


def write_alone(served: Served, disk: Disk) -> None:
    """Write until the receiving thread runs a write."""

    def runs() -> bool:
        served.unary("Write")
        return disk.threads[-1] == RECEIVING

    wait_until(runs, SECONDS, "the receiving thread writes")


def test_writes_of_a_lone_caller_run_in_the_receiving_thread_after_some_time(served, disk):
    write_alone(served, disk)
    assert set(disk.threads[:-1]) == {STORING}
    assert len(disk.threads) >= MIN_ALONE


def test_calls_that_come_during_a_lone_write_are_answered(served, disk):
    write_alone(served, disk)
    before = len(disk.threads)
    disk.may.clear()
    write = served.begin("Write")
    wait_until(lambda: len(disk.threads) > before, SECONDS, "the write waits")
    assert served.unary("Quick") == RESPONSE.SerializeToString()
    other = served.begin("Write")
    wait_until(lambda: len(disk.threads) > before + 1, SECONDS, "another one waits")
    assert not write.done()
    disk.may.set()
    for call in (write, other):
        assert call.result(timeout=SECONDS) == RESPONSE.SerializeToString()
    assert disk.threads[-1] == STORING


@pytest.mark.usefixtures("unrelieved")
def test_a_call_that_came_during_a_lone_write_is_answered_before_the_next_write(served, disk, monkeypatch):
    monkeypatch.setattr(_adaptive_receiver, "BRIEF", SECONDS)
    write_alone(served, disk)
    before = len(disk.threads)
    disk.may.clear()
    write = served.begin("Write")
    wait_until(lambda: len(disk.threads) > before, SECONDS, "the write waits")
    arrived = arrivals(served)
    other = served.begin()
    wait_until(lambda: arrivals(served) > arrived, SECONDS, "another call has come")
    disk.may.set()
    for call in (write, other):
        assert call.result(timeout=SECONDS) == RESPONSE.SerializeToString()
    served.unary("Write")
    assert disk.threads[-2:] == [RECEIVING, STORING]


def arrivals(served: Served) -> int:
    """Return the number of calls that have come, received by a thread or not."""
    return sum(method["started"] for method in served.engine._front.metrics()["methods"].values())


def test_a_write_does_not_wait_for_quick_calls_that_are_blocked(served, disk, blocker):
    write_alone(served, disk)
    blocked = []
    for _ in range(2):  # as many as there are workers
        blocked.append(served.begin("Block"))
        blocker.wait_entered()
    assert served.unary("Write") == RESPONSE.SerializeToString()
    blocker.go.set()
    for call in blocked:
        assert call.result(timeout=SECONDS) == RESPONSE.SerializeToString()


def test_the_only_quick_worker_never_writes(serve, disk):
    served = serve(method("Write", disk.handler, in_steps=True, slow=True), quick_workers=1)
    for _ in range(2 * MIN_ALONE):
        served.unary("Write")
    assert set(disk.threads) == {STORING}
