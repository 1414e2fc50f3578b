"""The fixture `lamina_host`, used as a third party would use it: this module registers the plugins."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.errdefs import ConfigError, FailedPrecondition, LockHeld, NoInstance
from lamina.plugin import InitContext, PluginType, Registration, hookimpl
from lamina.testing import HostFactory

TYPE = "com.example.clock.v1"


@attrs.frozen
class ClockConfig:
    zone: str = "UTC"


@attrs.define
class Clock:
    zone: str
    root: Path
    started: bool = False
    closed: bool = False

    def start(self) -> None:
        self.started = True

    def close(self) -> None:
        self.closed = True


@hookimpl
def lamina_register() -> Iterator[Registration[Any]]:
    for type_ in (TYPE, PluginType.SERVER):
        yield Registration(type=type_, id="clock", config=ClockConfig, init=init_clock)


def init_clock(ic: InitContext[ClockConfig]) -> Clock:
    return Clock(ic.config.zone, ic.root)


@pytest.fixture
def clock_host(lamina_host: HostFactory) -> Callable[..., Any]:
    """A host of the program `clocks`, whose only plugins are those of this module."""
    return lambda **settings: lamina_host(__name__, program="clocks", **settings)


def test_a_plugin_runs_in_a_host_below_the_test_s_directory(
    clock_host: Callable[..., Any], tmp_path: Path
) -> None:
    clock = clock_host().get(TYPE, "clock")
    assert (clock.zone, clock.root) == ("UTC", tmp_path / "root" / f"{TYPE}.clock")


def test_tables_of_plugins_override_their_defaults(clock_host: Callable[..., Any]) -> None:
    assert clock_host(plugins={f"{TYPE}.clock": {"zone": "CET"}}).get(TYPE, "clock").zone == "CET"


def test_top_level_settings_override_their_defaults(clock_host: Callable[..., Any]) -> None:
    with pytest.raises(NoInstance):
        clock_host(disabled_plugins=[f"{TYPE}.clock"]).get(TYPE, "clock")


def test_an_unknown_setting_is_refused(clock_host: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="zon: unknown key"):
        clock_host(plugins={f"{TYPE}.clock": {"zon": "CET"}})


def test_servers_start_only_on_request(clock_host: Callable[..., Any]) -> None:
    embedded = clock_host()
    with pytest.raises(NoInstance):
        embedded.get(PluginType.SERVER, "clock")
    embedded.stop()
    assert clock_host(serve=True).get(PluginType.SERVER, "clock").started


def test_a_second_host_after_the_first_has_stopped_is_a_restart(clock_host: Callable[..., Any]) -> None:
    first = clock_host()
    with pytest.raises(LockHeld):
        clock_host()
    root = first.get(TYPE, "clock").root
    first.stop()
    assert clock_host().get(TYPE, "clock").root == root


def test_running_hosts_are_stopped_at_the_end(tmp_path: Path) -> None:
    factory = HostFactory(tmp_path)
    hosts = [
        factory(__name__, program="clocks", root=tmp_path / name, state=tmp_path / f"{name}-state")
        for name in "ab"
    ]
    clocks = [host.get(TYPE, "clock") for host in hosts]
    factory.close()
    assert all(clock.closed for clock in clocks)
    with pytest.raises(FailedPrecondition):
        hosts[0].get(TYPE, "clock")


def test_built_in_plugins_are_available_by_default(lamina_host: HostFactory) -> None:
    host = lamina_host(
        disabled_plugins=["io.containerd.snapshotter.v1.overlayfs", "io.containerd.snapshotter.v1.btrfs"]
    )
    native = host.get(PluginType.SNAPSHOTTER, "native")
    native.prepare("a")
    assert os.path.isdir(native.mounts("a")[0].source)
