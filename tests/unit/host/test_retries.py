"""Plugins that failed for a cause that may go: a host tries them again."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from benches import Bench, Closable, statuses
from waiting import wait_until

from lamina.context import current
from lamina.errdefs import (
    DataLoss,
    InvalidArgument,
    LockHeld,
    PluginFailed,
    PluginUnavailable,
    ReadOnly,
    ResourceExhausted,
    SkipPlugin,
    Unavailable,
)
from lamina.host import Host, _retries
from lamina.plugin import InitContext, PluginType

DISK = "x.store.v1.disk"
USER = "x.user.v1.user"
GUEST = "x.guest.v1.guest"
FULL = ResourceExhausted("disk full")


class Failing:
    """An init that fails while it has an error, and otherwise notes what happens to its plugin."""

    def __init__(self, bench: Bench, error: BaseException | None = FULL) -> None:
        self.error = error
        self.calls = 0
        self._steps = bench.steps

    def __call__(self, ic: InitContext[Any]) -> Closable:
        self.calls += 1
        if self.error is not None:
            raise self.error
        id_ = ic.uri.rpartition(".")[2]
        self._steps.append(f"init {id_}")
        return Closable(id_, self._steps)


@pytest.fixture
def failing(bench: Bench) -> Failing:
    """The init of a plugin `disk`, which fails for want of space."""
    failing = Failing(bench)
    bench.plugin(DISK, failing)
    return failing


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again soon."""
    monkeypatch.setattr(_retries, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(_retries, "LONGEST_SECONDS", 0.02)


@pytest.fixture(autouse=True)
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried again, unless a test wants it."""
    monkeypatch.setattr(_retries, "FIRST_SECONDS", 3600.0)


def wait_for(host: Host, **expected: str) -> None:
    wait_until(lambda: statuses(host.plugins) == expected, 20, f"plugins are {expected}")


def is_trying() -> bool:
    return any(thread.name == "retries" for thread in threading.enumerate())


def hurry(bench: Bench, host: Host) -> None:
    """Have it tried again at once."""
    host.reload(bench.config())


# What is tried again, and when


@pytest.mark.usefixtures("soon")
def test_a_plugin_that_fails_a_few_times_comes_up_by_itself_and_is_tried_no_more(
    bench: Bench, failing: Failing
) -> None:
    with bench.host() as host:
        wait_until(lambda: failing.calls > 3, 20, "it was tried again and again")
        failing.error = None
        wait_for(host, disk="ok")
        assert host.get("x.store.v1", "disk").name == "disk"
        wait_until(lambda: not is_trying(), 20, "nothing is tried any more")
    assert bench.steps == ["init disk", "close disk"]


@pytest.mark.parametrize(
    "error",
    [FULL, Unavailable("no socket"), ReadOnly("ro"), LockHeld("by 7"), OSError(errno.ENOSPC, "full")],
    ids=lambda error: type(error).__name__,
)
def test_what_may_go_is_tried_again(bench: Bench, failing: Failing, error: Exception) -> None:
    failing.error = error
    with bench.host() as host:
        (plugin,) = host.plugins
        assert plugin.retrying
        failing.error = None
        hurry(bench, host)
        wait_for(host, disk="ok")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        InvalidArgument("no path"),
        SkipPlugin("no btrfs"),
        PluginFailed("no"),
        DataLoss("damaged"),
        OSError(errno.ENOENT, "no such file"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_another_failure_is_final(bench: Bench, failing: Failing, error: Exception) -> None:
    failing.error = error
    bench.plugin(USER, requires=("x.store.v1",))
    with bench.host() as host:
        assert not any(plugin.retrying for plugin in host.plugins)
        assert not is_trying()
    assert failing.calls == 1


def test_a_failure_that_becomes_a_final_one_is_tried_no_more(bench: Bench, failing: Failing) -> None:
    bench.plugin(USER, requires=("x.store.v1",))
    with bench.host() as host:
        failing.error = ValueError("a bug")
        hurry(bench, host)
        wait_until(lambda: not is_trying(), 20, "nothing is tried any more")
        assert {plugin.id: plugin.problem for plugin in host.plugins} == {
            "disk": "ValueError: a bug",
            "user": f"blocked by {DISK}: ValueError: a bug",
        }
        assert not any(plugin.retrying for plugin in host.plugins)


@pytest.mark.usefixtures("soon")
def test_a_plugin_that_does_not_apply_after_all_is_skipped(bench: Bench, failing: Failing) -> None:
    with bench.host() as host:
        failing.error = SkipPlugin("no btrfs")
        wait_for(host, disk="skipped")


def test_waits_grow_to_a_minute_and_begin_anew_when_something_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    waits = [_retries.FIRST_SECONDS]
    for anew in (*[False] * 7, True, False):
        waits.append(_retries.next_wait(waits[-1], anew=anew))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 1, 2]


def test_a_required_plugin_that_fails_ends_the_start_at_once(bench: Bench, failing: Failing) -> None:
    with pytest.raises(PluginFailed, match=f"load required plugin {DISK}: disk full"):
        bench.host(required_plugins=[DISK]).start()
    assert failing.calls == 1
    assert not is_trying()


def test_an_embedded_host_tries_again_too(bench: Bench, failing: Failing) -> None:
    with bench.host(embedded=True) as host:
        failing.error = None
        hurry(bench, host)
        wait_for(host, disk="ok")


# What depends on it


def test_what_it_blocked_comes_up_after_it_and_is_closed_before_it(bench: Bench, failing: Failing) -> None:
    bench.plugin(USER, requires=("x.store.v1",))
    bench.plugin(GUEST, requires=("x.user.v1",))
    bench.plugin("x.line.v1.cable")
    with bench.host() as host:
        assert [(plugin.id, plugin.status, plugin.retrying) for plugin in host.plugins] == [
            ("disk", "failed", True),
            ("user", "blocked", True),
            ("guest", "blocked", True),
            ("cable", "ok", False),
        ]
        failing.error = None
        hurry(bench, host)
        wait_for(host, disk="ok", user="ok", guest="ok", cable="ok")
    assert bench.steps == [
        *("init cable", "init disk", "init user", "init guest"),
        *("close cable", "close guest", "close user", "close disk"),
    ]


def test_what_looked_it_up_in_vain_is_tried_again_with_it(bench: Bench, failing: Failing) -> None:
    bench.plugin(USER, lambda ic: ic.get_by_id("x.store.v1", "disk"))
    with bench.host() as host:
        assert statuses(host.plugins) == {"disk": "failed", "user": "blocked"}
        failing.error = None
        hurry(bench, host)
        wait_for(host, disk="ok", user="ok")


def test_what_blocks_is_the_provider_that_is_tried_again(bench: Bench) -> None:
    failing = Failing(bench)
    bench.plugin("x.store.v1.broken", Failing(bench, ValueError("a bug")))
    bench.plugin(DISK, failing)
    bench.plugin(USER, requires=("x.store.v1",))
    with bench.host() as host:
        assert host.plugins.of_type("x.user.v1")[0].problem == f"blocked by {DISK}: disk full"
        failing.error = None
        hurry(bench, host)
        wait_for(host, broken="failed", disk="ok", user="ok")


def test_a_server_that_comes_up_is_started(bench: Bench) -> None:
    failing = Failing(bench)
    bench.plugin(f"{PluginType.SERVER}.late", failing)
    bench.plugin(f"{PluginType.SERVER}.early")
    with bench.host() as host:
        failing.error = None
        hurry(bench, host)
        wait_for(host, late="ok", early="ok")
    assert bench.steps == [
        *("init early", "start early", "init late", "start late"),
        *("close early", "close late"),
    ]


def test_a_server_that_comes_up_and_does_not_start_is_closed_and_has_failed(bench: Bench) -> None:
    @attrs.frozen
    class Server(Closable):
        def start(self) -> None:
            raise OSError(errno.EADDRINUSE, "address in use")

    failing = Failing(bench)

    def init(ic: InitContext[None]) -> Closable:
        failing(ic)
        return Server("late", bench.steps)

    bench.plugin(f"{PluginType.SERVER}.late", init)
    bench.plugin(f"{PluginType.SERVER}.early")
    with bench.host() as host:
        failing.error = None
        hurry(bench, host)
        wait_until(lambda: not is_trying(), 20, "nothing is tried any more")
        assert statuses(host.plugins) == {"late": "failed", "early": "ok"}
    assert bench.steps == ["init early", "start early", "init late", "close late", "close early"]


def test_one_that_binds_late_is_initialised_without_what_it_requires(bench: Bench, failing: Failing) -> None:
    bench.plugin(USER, lambda ic: ic, requires=("x.store.v1",), late_binding=True)
    with bench.host() as host:
        assert statuses(host.plugins) == {"disk": "failed", "user": "ok"}
        ic = host.get("x.user.v1", "user")
        for look_up in (
            lambda: ic.get_single("x.store.v1"),
            lambda: ic.get_by_id("x.store.v1", "disk"),
            lambda: ic.get_by_type("x.store.v1"),
        ):
            with pytest.raises(PluginUnavailable, match="disk full; it is tried again"):
                look_up()
        failing.error = None
        hurry(bench, host)
        wait_for(host, disk="ok", user="ok")
        assert ic.get_single("x.store.v1").name == "disk"


def test_one_that_binds_late_is_blocked_by_a_final_failure(bench: Bench, failing: Failing) -> None:
    failing.error = ValueError("a bug")
    bench.plugin(USER, lambda ic: ic, requires=("x.store.v1",), late_binding=True)
    with bench.host() as host:
        assert statuses(host.plugins) == {"disk": "failed", "user": "blocked"}


@pytest.mark.parametrize("required", [USER, GUEST])
def test_a_required_plugin_that_waits_for_a_failed_one_ends_the_start(
    bench: Bench, failing: Failing, required: str
) -> None:
    bench.plugin(USER, lambda ic: ic, requires=("x.store.v1",), late_binding=True)
    bench.plugin(GUEST, lambda ic: ic, requires=("x.user.v1",))
    with pytest.raises(PluginFailed, match=f"load required plugin {required}: blocked by {DISK}: disk full"):
        bench.host(required_plugins=[required]).start()
    failing.error = None
    with bench.host(required_plugins=[required]):
        pass


# Reload


@attrs.frozen
class DiskConfig:
    path: str = "/full"


def test_a_reload_gives_the_next_attempt_the_whole_configuration(bench: Bench) -> None:
    def init(ic: InitContext[DiskConfig]) -> DiskConfig:
        if ic.config.path == "/full":
            raise FULL
        return ic.config

    bench.plugin(DISK, init, config=DiskConfig)
    with bench.host() as host:
        reloaded = host.reload(bench.config(plugins={DISK: {"path": "/empty"}}))
        assert reloaded.changed == (f'plugins."{DISK}".path',)
        wait_for(host, disk="ok")
        assert host.get("x.store.v1", "disk") == DiskConfig("/empty")


# What is told


def test_the_log_has_a_line_at_first_one_when_it_is_up_and_only_debug_lines_between(
    bench: Bench, failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lamina.host")
    with bench.host() as host:
        for calls in (2, 3):
            hurry(bench, host)
            wait_until(lambda calls=calls: failing.calls == calls, 20, "it was tried again")  # type: ignore[misc]
        failing.error = None
        hurry(bench, host)
        wait_for(host, disk="ok")
    lines = [(one.levelname, one.message) for one in caplog.records if vars(one).get("id") == "disk"]
    assert lines == [
        ("INFO", "loading plugin"),
        ("WARNING", "failed to load plugin; it is tried again"),
        ("DEBUG", "plugin does not work yet"),
        ("DEBUG", "plugin does not work yet"),
        ("INFO", "loaded plugin"),
    ]


def test_hooks_are_told_when_it_comes_up(bench: Bench, failing: Failing) -> None:
    told: list[tuple[str, ...]] = []
    bench.hooks = {
        "lamina_initialised": lambda plugin, plugins: told.append(
            (plugin.id, *map(str, statuses(plugins).values()))
        ),
        "lamina_failed": lambda plugin: told.append((plugin.id, "failed")),
    }
    with bench.host() as host:
        failing.error = None
        hurry(bench, host)
        wait_until(lambda: len(told) == 2, 20, "the hook was told")
    assert told == [("disk", "failed"), ("disk", "ok")]


# Stop


@attrs.frozen
class Slow:
    """An init that is under way until it is released, or until its call is cancelled where it looks at that."""

    bench: Bench
    looks: bool = False
    under_way: threading.Event = attrs.field(factory=threading.Event)
    release: threading.Event = attrs.field(factory=threading.Event)
    calls: list[int] = attrs.field(factory=list)

    def __call__(self, _: InitContext[None]) -> Closable:
        self.calls.append(1)
        if len(self.calls) == 1:
            raise FULL
        if self.looks:
            current().on_cancel(self.release.set)
        self.under_way.set()
        self.release.wait(60)
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
        assert slow.under_way.wait(20)
        return host

    return begin


def test_an_attempt_that_looks_at_its_call_ends_with_the_host_and_what_it_opened_is_closed_first(
    bench: Bench, begin: Callable[..., Host]
) -> None:
    begin(Slow(bench, looks=True), "20s").stop()
    assert bench.steps == ["init floor", "close late", "close floor"]
    wait_until(lambda: not is_trying(), 20, "nothing is tried any more")
    bench.registrations.clear()
    with bench.host():  # the root is free
        pass


def test_an_attempt_that_goes_on_holds_up_no_stop_and_keeps_the_lock_and_is_closed_at_last(
    bench: Bench, begin: Callable[..., Host]
) -> None:
    slow = Slow(bench)
    host = begin(slow, "10ms")
    host.stop()
    assert bench.steps == ["init floor", "close floor"]
    with pytest.raises(LockHeld):
        bench.host().start()
    slow.release.set()
    wait_until(lambda: not is_trying(), 20, "the attempt has ended")
    assert bench.steps == ["init floor", "close floor", "close late"]
    assert statuses(host.plugins) == {"floor": "ok", "disk": "failed"}


def test_an_attempt_that_is_left_behind_keeps_the_lock(bench: Bench) -> None:
    slow = Slow(bench)
    bench.plugin(DISK, slow)
    with bench.host(timeouts={"io.lamina.timeout.plugin.init": "10ms"}) as host:
        host.reload(bench.config(timeouts={"io.lamina.timeout.plugin.init": "10ms"}))
        wait_until(lambda: not is_trying(), 20, "it was left behind")
        assert statuses(host.plugins) == {"disk": "failed"}
    with pytest.raises(LockHeld):
        bench.host().start()
    slow.release.set()
    wait_until(lambda: bench.steps == ["close late"], 20, "it was closed")


def test_a_host_that_stops_tries_nothing_any_more(bench: Bench, failing: Failing) -> None:
    with bench.host():
        pass
    wait_until(lambda: not is_trying(), 20, "nothing is tried any more")
    assert failing.calls == 1


def test_readiness_that_an_attempt_holds_back_keeps_nobody_waiting(bench: Bench) -> None:
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
            wait_until(lambda count=count: len(calls) > count, 20, "it was tried again")  # type: ignore[misc]
        wait_for(host, disk="ok")
        host.wait_ready()
    finally:
        host.stop()
