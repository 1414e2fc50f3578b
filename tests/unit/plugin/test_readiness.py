"""`Readiness`."""

from __future__ import annotations

import threading

from lamina.plugin import Readiness


def test_a_host_without_readiness_checks_is_ready() -> None:
    assert Readiness().wait(0)


def test_a_host_is_ready_when_all_holders_have_released() -> None:
    readiness = Readiness()
    one, two = readiness.register("one"), readiness.register("two")
    two()
    assert readiness.pending() == ("one",)
    assert not readiness.wait(0)
    one()
    assert readiness.wait(0)


def test_releasing_twice_counts_once() -> None:
    readiness = Readiness()
    first, _ = readiness.register("x"), readiness.register("x")
    first()
    first()
    assert readiness.pending() == ("x",)


def test_wait_ends_when_another_thread_releases() -> None:
    readiness = Readiness()
    thread = threading.Thread(target=readiness.register("one"))
    thread.start()
    assert readiness.wait(60)
    thread.join()
