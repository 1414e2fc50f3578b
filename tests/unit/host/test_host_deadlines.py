"""Plugins that miss their deadlines."""

from __future__ import annotations

import threading

import pytest

from lamina.errdefs import LeftBehind, LockHeld, PluginFailed
from lamina.plugin import InitContext, PluginType
from tests.support.plugins.benches import Bench, Closable, statuses
from tests.support.plugins.hanging import Hanging
from tests.support.waiting import interrupt_main_thread


def test_a_plugin_that_does_not_close_in_time_is_left_behind_and_keeps_the_lock(
    bench: Bench, hang: Hanging
) -> None:
    class Slow:
        def close(self) -> None:
            hang()

    bench.plugin("x.store.v1.floor")
    bench.plugin("x.slow.v1.slow", lambda _: Slow())
    with bench.host(timeouts={"io.lamina.timeout.plugin.close": "10ms"}):
        pass
    assert bench.steps == ["init floor", "close floor"]
    with pytest.raises(LockHeld):
        bench.host().start()


def test_a_plugin_whose_init_hangs_fails_alone_and_keeps_the_lock(bench: Bench, hang: Hanging) -> None:
    def init(ic: InitContext[None]) -> object:
        hang()
        return Closable("late", bench.steps)

    bench.plugin("x.store.v1.floor")
    bench.plugin("x.slow.v1.slow", init)
    bench.plugin("x.user.v1.phone", requires=("x.slow.v1",))
    with bench.host(timeouts={"io.lamina.timeout.plugin.init": "10ms"}) as host:
        assert statuses(host.plugins) == {"floor": "ok", "slow": "failed", "phone": "blocked"}
    assert bench.steps == ["init floor", "close floor"]
    with pytest.raises(LockHeld):
        bench.host().start()


def test_plugins_after_one_that_hangs_are_initialised(bench: Bench, hang: Hanging) -> None:
    bench.plugin("x.slow.v1.slow", lambda _: hang())
    bench.plugin("x.store.v1.floor")
    with bench.host(timeouts={"io.lamina.timeout.plugin.init": "10ms"}) as host:
        assert statuses(host.plugins) == {"slow": "failed", "floor": "ok"}


def test_the_thread_of_an_init_is_named_after_its_plugin_and_ends_with_the_start(bench: Bench) -> None:
    threads: dict[str, threading.Thread] = {}

    def note(ic: InitContext[None]) -> object:
        threads[threading.current_thread().name] = threading.current_thread()
        return object()

    bench.plugin("x.one.v1.one", note)
    bench.plugin("x.two.v1.two", note)
    with bench.host():
        assert list(threads) == ["init x.one.v1.one", "init x.two.v1.two"]
        assert not any(thread.is_alive() for thread in threads.values())


def test_a_late_init_that_has_ended_does_not_keep_the_lock(bench: Bench, hang: Hanging) -> None:
    def init(ic: InitContext[None]) -> object:
        hang()
        return Closable("late", bench.steps)

    bench.plugin("x.slow.v1.slow", init)
    with bench.host(timeouts={"io.lamina.timeout.plugin.init": "10ms"}) as host:
        hang.release.set()
        (plugin,) = host.plugins
        assert isinstance(plugin.error, LeftBehind)
        assert plugin.error.thread is not None
        plugin.error.thread.join(60)
        assert bench.steps == ["close late"]
    bench.registrations.clear()
    with bench.host():
        pass


def test_a_server_whose_start_hangs_is_fatal_and_keeps_the_lock(bench: Bench, hang: Hanging) -> None:
    class Slow:
        def start(self) -> None:
            hang()

        def close(self) -> None:
            bench.steps.append("close slow")

    bench.plugin("x.store.v1.floor")
    bench.plugin(f"{PluginType.SERVER}.slow", lambda _: Slow())
    host = bench.host(timeouts={"io.lamina.timeout.plugin.start": "10ms"})
    message = r"start io\.containerd\.server\.v1\.slow: start did not end within 0\.01 s and was left behind"
    with pytest.raises(PluginFailed, match=message):
        host.start()
    assert bench.steps == ["init floor", "close slow", "close floor"]
    with pytest.raises(LockHeld):
        bench.host().start()


def test_an_interrupt_while_a_plugin_is_initialised_closes_the_others_and_keeps_the_lock(
    bench: Bench, hang: Hanging
) -> None:
    def init(ic: InitContext[None]) -> None:
        interrupt_main_thread()
        hang.release.wait(60)

    bench.plugin("x.store.v1.floor")
    bench.plugin("x.slow.v1.slow", init)
    with pytest.raises(KeyboardInterrupt):
        bench.host().start()
    assert bench.steps == ["init floor", "close floor"]
    with pytest.raises(LockHeld):
        bench.host().start()
