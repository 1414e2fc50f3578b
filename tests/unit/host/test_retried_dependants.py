"""Dependants of retried plugins, and late servers."""

from __future__ import annotations

import errno

import attrs
import pytest

from lamina.errdefs import (
    PluginFailed,
    PluginUnavailable,
)
from lamina.plugin import InitContext, PluginType
from tests.support.plugins.benches import Bench, Closable, statuses
from tests.support.plugins.failing_plugins import DISK, GUEST, USER, Failing, hurry, is_trying, wait_for
from tests.support.waiting import wait_until


def test_blocked_plugins_come_up_after_it_and_are_closed_before_it(bench: Bench, failing: Failing) -> None:
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


def test_plugins_that_failed_to_look_it_up_are_retried_with_it(bench: Bench, failing: Failing) -> None:
    bench.plugin(USER, lambda ic: ic.get_by_id("x.store.v1", "disk"))
    with bench.host() as host:
        assert statuses(host.plugins) == {"disk": "failed", "user": "blocked"}
        failing.error = None
        hurry(bench, host)
        wait_for(host, disk="ok", user="ok")


def test_the_blocking_plugin_is_the_retried_provider(bench: Bench) -> None:
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
        wait_until(lambda: not is_trying(), 60, "nothing is tried any more")
        assert statuses(host.plugins) == {"late": "failed", "early": "ok"}
    assert bench.steps == ["init early", "start early", "init late", "close late", "close early"]


def test_a_late_binding_plugin_is_initialised_without_its_requirements(bench: Bench, failing: Failing) -> None:
    bench.plugin(USER, lambda ic: ic, requires=("x.store.v1",), late_binding=True)
    with bench.host() as host:
        assert statuses(host.plugins) == {"disk": "failed", "user": "ok"}
        ic = host.get("x.user.v1", "user")
        for look_up in (
            lambda: ic.get_single("x.store.v1"),
            lambda: ic.get_by_id("x.store.v1", "disk"),
            lambda: ic.get_by_type("x.store.v1"),
        ):
            with pytest.raises(PluginUnavailable, match="disk full; it is being retried"):
                look_up()
        failing.error = None
        hurry(bench, host)
        wait_for(host, disk="ok", user="ok")
        assert ic.get_single("x.store.v1").name == "disk"


def test_a_late_binding_plugin_is_blocked_by_a_permanent_failure(bench: Bench, failing: Failing) -> None:
    failing.error = ValueError("a bug")
    bench.plugin(USER, lambda ic: ic, requires=("x.store.v1",), late_binding=True)
    with bench.host() as host:
        assert statuses(host.plugins) == {"disk": "failed", "user": "blocked"}


@pytest.mark.parametrize("required", [USER, GUEST])
def test_a_required_plugin_blocked_by_a_failed_one_ends_the_start(
    bench: Bench, failing: Failing, required: str
) -> None:
    bench.plugin(USER, lambda ic: ic, requires=("x.store.v1",), late_binding=True)
    bench.plugin(GUEST, lambda ic: ic, requires=("x.user.v1",))
    with pytest.raises(PluginFailed, match=f"load required plugin {required}: blocked by {DISK}: disk full"):
        bench.host(required_plugins=[required]).start()
    failing.error = None
    with bench.host(required_plugins=[required]):
        pass
