"""Retries that run while the host stops."""

from __future__ import annotations

import threading
from collections.abc import Callable

import attrs
import pytest

from lamina.context import current
from lamina.errdefs import (
    LockHeld,
)
from lamina.host import Host
from lamina.plugin import InitContext
from tests.support.plugins.benches import Bench, Closable, statuses
from tests.support.plugins.failing_plugins import DISK, FULL, Failing, hurry, is_trying, wait_for
from tests.support.plugins.hanging import Hanging
from tests.support.waiting import wait_until


@attrs.frozen
class Slow:
    """An init that runs until it is released or, if it checks, until its call is cancelled."""

    bench: Bench
    hang: Hanging
    looks: bool = False
    under_way: threading.Event = attrs.field(factory=threading.Event)
    calls: list[int] = attrs.field(factory=list)

    def __call__(self, _: InitContext[None]) -> Closable:
        self.calls.append(1)
        if len(self.calls) == 1:
            raise FULL
        if self.looks:
            current().on_cancel(self.hang.release.set)
        self.under_way.set()
        self.hang()
        return Closable("late", self.bench.steps)


@pytest.fixture
def begin(bench: Bench) -> Callable[..., Host]:
    """`begin(slow, close="10ms")` starts a host, and returns it when it has begun to try again."""

    def begin(slow: Slow, close: str) -> Host:
        bench.plugin("x.store.v1.floor")
        bench.plugin(DISK, slow)
        host = bench.host(timeouts={"io.lamina.timeout.plugin.close": close})
        host.start()
        config = bench.config(timeouts={"io.lamina.timeout.plugin.close": close})
        host.reload(config)
        assert slow.under_way.wait(60)
        return host

    return begin


def test_a_cancellable_attempt_ends_with_the_host_after_closing_its_resources(
    bench: Bench, begin: Callable[..., Host], hang: Hanging
) -> None:
    begin(Slow(bench, hang, looks=True), "60s").stop()
    assert bench.steps == ["init floor", "close late", "close floor"]
    wait_until(lambda: not is_trying(), 60, "nothing is tried any more")
    bench.registrations.clear()
    with bench.host():  # the root is free
        pass


def test_a_running_attempt_does_not_delay_the_stop_and_keeps_the_lock(
    bench: Bench, begin: Callable[..., Host], hang: Hanging
) -> None:
    slow = Slow(bench, hang)
    host = begin(slow, "10ms")
    host.stop()
    assert bench.steps == ["init floor", "close floor"]
    with pytest.raises(LockHeld):
        bench.host().start()
    hang.release.set()
    wait_until(lambda: not is_trying(), 60, "the attempt has ended")
    assert bench.steps == ["init floor", "close floor", "close late"]
    assert statuses(host.plugins) == {"floor": "ok", "disk": "failed"}


def test_an_attempt_left_behind_keeps_the_lock(bench: Bench, hang: Hanging) -> None:
    slow = Slow(bench, hang)
    bench.plugin(DISK, slow)
    with bench.host(timeouts={"io.lamina.timeout.plugin.init": "10ms"}) as host:
        host.reload(bench.config(timeouts={"io.lamina.timeout.plugin.init": "10ms"}))
        wait_until(lambda: not is_trying(), 60, "it was left behind")
        assert statuses(host.plugins) == {"disk": "failed"}
    with pytest.raises(LockHeld):
        bench.host().start()
    hang.release.set()
    wait_until(lambda: bench.steps == ["close late"], 60, "it was closed")


def test_a_stopping_host_starts_no_retries(bench: Bench, failing: Failing) -> None:
    with bench.host():
        pass
    wait_until(lambda: not is_trying(), 60, "nothing is tried any more")
    assert failing.calls == 1


def test_a_stop_does_not_wait_for_readiness_of_an_attempt(bench: Bench) -> None:
    calls: list[int] = []

    def init(ic: InitContext[None]) -> object:
        calls.append(1)
        if len(calls) > 1:
            ic.register_readiness()
        if len(calls) < 3:
            raise FULL
        return ic

    bench.plugin(DISK, init)
    host = bench.host()
    host.start()
    try:
        for _ in range(2):
            count = len(calls)
            hurry(bench, host)
            wait_until(lambda count=count: len(calls) > count, 60, "it was tried again")
        wait_for(host, disk="ok")
        host.wait_ready()
    finally:
        host.stop()
