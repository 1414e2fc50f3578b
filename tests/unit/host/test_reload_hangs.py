"""`Host.reload` with hanging plugins."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lamina.config import Config
from lamina.errdefs import (
    LeftBehind,
    LockHeld,
)
from lamina.host import Host
from tests.support.plugins.benches import Bench
from tests.support.plugins.hanging import Hanging
from tests.support.plugins.lamps import URI, Lamp, LampConfig


@pytest.fixture
def stuck(bench: Bench, hang: Hanging) -> Iterator[Host]:
    """A host with a lamp that hangs when it is to be bright, and is bright in the end."""

    class Stuck(Lamp):
        def reconfigure(self, config: LampConfig) -> None:
            if config.level > 1:
                hang()
            super().reconfigure(config)

    bench.plugin(URI, Stuck, config=LampConfig, live=("level",))
    host = bench.host(timeouts={"io.lamina.timeout.plugin.reconfigure": "10ms"})
    try:
        host.start()
        yield host
    finally:
        hang.release.set()
        host.stop()


def bright(bench: Bench, level: int) -> Config:
    timeouts = {"io.lamina.timeout.plugin.reconfigure": "10ms"}
    return bench.config(plugins={URI: {"level": level}}, timeouts=timeouts)


def test_a_hanging_plugin_is_left_behind_and_not_called_until_it_returns(bench: Bench, stuck: Host) -> None:
    first, second = (stuck.reload(bright(bench, level)).failed[URI] for level in (2, 3))
    assert str(first) == "reconfigure did not end within 0.01 s and was left behind"
    assert str(second) == "an earlier reconfigure was left behind and still runs"


def test_the_configuration_of_a_plugin_left_behind_is_unknown(bench: Bench, stuck: Host, hang: Hanging) -> None:
    """The file is unchanged, but the plugin left behind has applied the change late."""
    left_behind = stuck.reload(bright(bench, 2)).failed[URI]
    assert isinstance(left_behind, LeftBehind)
    assert left_behind.thread is not None
    lamp = stuck.get("x.light.v1", "lamp")
    hang.release.set()
    left_behind.thread.join(60)
    assert stuck.reload(bright(bench, 1)).failed == {}
    assert [config.level for config in lamp.given] == [1, 2, 1]
    assert stuck.reload(bright(bench, 1)).failed == {}
    assert len(lamp.given) == 3


def test_a_plugin_left_behind_keeps_the_lock(bench: Bench, stuck: Host) -> None:
    stuck.reload(bright(bench, 2))
    stuck.stop()
    bench.registrations.clear()
    with pytest.raises(LockHeld):
        bench.host().start()


def test_no_plugin_is_closed_while_it_is_reconfigured(bench: Bench) -> None:
    steps: list[str] = []
    entered, release = threading.Event(), threading.Event()

    class Slow(Lamp):
        def reconfigure(self, config: LampConfig) -> None:
            entered.set()
            release.wait(60)
            steps.append("reconfigured")

        def close(self) -> None:
            steps.append("closed")

    bench.plugin(URI, Slow, config=LampConfig, live=("level",))
    bench.hooks["lamina_host_stopping"] = lambda plugins: release.set()
    with bench.host() as host:
        reload = threading.Thread(target=host.reload, args=(bench.config(plugins={URI: {"level": 2}}),))
        reload.start()
        assert entered.wait(60)
    reload.join(60)
    assert steps == ["reconfigured", "closed"]
