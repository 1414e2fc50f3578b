"""A host retries plugins that failed for a transient reason."""

from __future__ import annotations

import errno
import logging

import attrs
import pytest

from lamina.errdefs import (
    DataLoss,
    InvalidArgument,
    LockHeld,
    PluginFailed,
    ReadOnly,
    SkipPlugin,
    Unavailable,
)
from lamina.host import _retries
from lamina.plugin import InitContext
from tests.support.plugins.benches import Bench, statuses
from tests.support.plugins.failing_plugins import DISK, FULL, USER, Failing, hurry, is_trying, wait_for
from tests.support.waiting import wait_until


@pytest.mark.usefixtures("soon")
def test_a_plugin_that_fails_a_few_times_comes_up_and_is_not_retried(bench: Bench, failing: Failing) -> None:
    with bench.host() as host:
        wait_until(lambda: failing.calls > 3, 60, "it was tried again and again")
        failing.error = None
        wait_for(host, disk="ok")
        assert host.get("x.store.v1", "disk").name == "disk"
        wait_until(lambda: not is_trying(), 60, "nothing is tried any more")
    assert bench.steps == ["init disk", "close disk"]


@pytest.mark.parametrize(
    "error",
    [FULL, Unavailable("no socket"), ReadOnly("ro"), LockHeld("by 7"), OSError(errno.ENOSPC, "full")],
    ids=lambda error: type(error).__name__,
)
def test_transient_failures_are_retried(bench: Bench, failing: Failing, error: Exception) -> None:
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
def test_other_failures_are_permanent(bench: Bench, failing: Failing, error: Exception) -> None:
    failing.error = error
    bench.plugin(USER, requires=("x.store.v1",))
    with bench.host() as host:
        assert not any(plugin.retrying for plugin in host.plugins)
        assert not is_trying()
    assert failing.calls == 1


def test_a_failure_that_becomes_permanent_is_not_retried(bench: Bench, failing: Failing) -> None:
    bench.plugin(USER, requires=("x.store.v1",))
    with bench.host() as host:
        failing.error = ValueError("a bug")
        hurry(bench, host)
        wait_until(lambda: not is_trying(), 60, "nothing is tried any more")
        assert {plugin.id: plugin.problem for plugin in host.plugins} == {
            "disk": "ValueError: a bug",
            "user": f"blocked by {DISK}: ValueError: a bug",
        }
        assert not any(plugin.retrying for plugin in host.plugins)


@pytest.mark.usefixtures("soon")
def test_a_retry_may_skip_the_plugin(bench: Bench, failing: Failing) -> None:
    with bench.host() as host:
        failing.error = SkipPlugin("no btrfs")
        wait_for(host, disk="skipped")


def test_delays_grow_to_a_minute_and_reset_after_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_an_embedded_host_retries_too(bench: Bench, failing: Failing) -> None:
    with bench.host(embedded=True) as host:
        failing.error = None
        hurry(bench, host)
        wait_for(host, disk="ok")


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


def test_the_first_failure_and_the_recovery_are_logged_and_attempts_only_at_debug(
    bench: Bench, failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lamina.host")

    def lines() -> list[tuple[str, str]]:
        return [(one.levelname, one.getMessage()) for one in caplog.records if vars(one).get("id") == "disk"]

    with bench.host() as host:
        for calls in (2, 3):
            hurry(bench, host)
            wait_until(lambda calls=calls: failing.calls == calls, 60, "it was tried again")
        failing.error = None
        hurry(bench, host)
        wait_until(lambda: ("INFO", "loaded plugin") in lines(), 60, "its recovery is logged")
    assert lines() == [
        ("INFO", "loading plugin"),
        ("WARNING", "failed to load plugin; it is being retried"),
        ("DEBUG", "plugin does not work yet"),
        ("DEBUG", "plugin does not work yet"),
        ("INFO", "loaded plugin"),
    ]


def test_hooks_are_called_when_it_comes_up(bench: Bench, failing: Failing) -> None:
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
        wait_until(lambda: len(told) == 2, 60, "the hook was told")
    assert told == [("disk", "failed"), ("disk", "ok")]
