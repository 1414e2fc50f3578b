"""I/O threads interrupt no other thread while calls come in crowds."""

from __future__ import annotations

import logging
import os
import threading

import pytest

from lamina.plugins.servers.grpc.engines.native import NativeEngine, _relieved_worker
from lamina.plugins.servers.grpc.engines.native._io_threads import IoThreads, io_threads
from tests.support.listener.engines import RESPONSE, SECONDS, method
from tests.support.waiting import wait_until


@pytest.fixture
def make_engine():
    return NativeEngine


@pytest.fixture
def served(serve, blocker):
    """An engine with one I/O thread."""
    served = serve(method("Block", blocker))
    served.unary()
    return served


def policies():
    return {os.sched_getscheduler(id_) for id_ in io_threads()}


def test_the_io_threads_give_way_and_no_longer_do(served):
    threads = IoThreads()
    threads.give_way(True)
    assert policies() == {os.SCHED_BATCH}
    threads.give_way(False)
    assert policies() == {os.SCHED_OTHER}


def test_no_other_thread_is_changed(served):
    IoThreads().give_way(True)
    others = {thread.native_id for thread in threading.enumerate()}
    assert {os.sched_getscheduler(id_) for id_ in others} == {os.SCHED_OTHER}


def test_a_thread_that_an_administrator_gave_another_policy_keeps_it(served):
    for id_ in io_threads():
        os.sched_setscheduler(id_, os.SCHED_IDLE, os.sched_param(0))
    threads = IoThreads()
    threads.give_way(True)
    threads.give_way(False)
    assert policies() == {os.SCHED_IDLE}


def test_threads_that_have_ended_are_logged_once_and_not_tried_again(serve, caplog):
    caplog.set_level(logging.INFO)
    served = serve()
    served.unary()
    threads = IoThreads()
    threads.give_way(True)
    served.listener.close()
    threads.give_way(False)
    threads.give_way(True)
    assert len(caplog.records) == 1
    assert "cannot change the scheduling of I/O threads" in caplog.text


def test_io_threads_give_way_while_a_crowd_calls_and_not_after_it(serve, blocker, monkeypatch):
    monkeypatch.setattr(_relieved_worker, "BLOCKED", SECONDS)  # nothing relieves the thread that is blocked
    seen = set()

    def look(_request):
        seen.update(policies())
        return RESPONSE

    served = serve(method("Block", blocker), method("Look", look))

    def crowd_comes():
        """Have many calls come while the thread that receives is blocked."""
        blocker.go.clear()
        calls = [served.begin("Block")]
        blocker.wait_entered()
        calls += [served.begin("Look") for _ in range(200)]
        blocker.go.set()
        for call in calls:
            assert call.result(timeout=SECONDS) == RESPONSE.SerializeToString()
        return os.SCHED_BATCH in seen

    # Nothing tells when calls have arrived at an engine that is blocked: they may come one by one.
    wait_until(crowd_comes, SECONDS, "a crowd is noticed")
    wait_until(lambda: policies() == {os.SCHED_OTHER}, SECONDS, "the crowd has gone")
