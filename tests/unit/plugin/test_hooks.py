"""`notify` calls each implementation of a hook separately."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pluggy
import pytest

from lamina.plugin import Plugin, PluginSet, discover, hookimpl, notify


@pytest.fixture
def manager() -> pluggy.PluginManager:
    return discover(entry_points=()).manager


def module(manager: pluggy.PluginManager, name: str, **hooks: Callable[..., object]) -> None:
    one = types.SimpleNamespace(**{hook: hookimpl(function) for hook, function in hooks.items()})
    manager.register(one, name=name)


def test_all_hooks_are_known(manager: pluggy.PluginManager) -> None:
    assert sorted(name for name in vars(manager.hook) if name.startswith("lamina_")) == [
        "lamina_contracts",
        "lamina_failed",
        "lamina_host_ready",
        "lamina_host_stopping",
        "lamina_initialised",
        "lamina_proxy_types",
        "lamina_register",
        "lamina_skipped",
    ]


def test_implementations_are_called_in_order_of_discovery(manager: pluggy.PluginManager) -> None:
    calls: list[tuple[str, Plugin]] = []
    for name in ("one", "two"):
        module(manager, name, lamina_initialised=lambda plugin, name=name: calls.append((name, plugin)))
    plugin = Plugin(type="t", id="x")
    notify(manager, "lamina_initialised", plugin=plugin)
    assert calls == [("one", plugin), ("two", plugin)]


def test_an_implementation_takes_only_the_arguments_it_wants(manager: pluggy.PluginManager) -> None:
    calls: list[str] = []
    module(manager, "one", lamina_host_ready=lambda: calls.append("ready"))
    notify(manager, "lamina_host_ready", plugins=PluginSet())
    assert calls == ["ready"]


def test_tryfirst_and_trylast_are_honoured(manager: pluggy.PluginManager) -> None:
    calls: list[str] = []

    def hook(name: str) -> Callable[[], None]:
        return lambda: calls.append(name)

    for name, order in {"b": {}, "d": {"trylast": True}, "a": {"tryfirst": True}, "c": {}}.items():
        function = hookimpl(**order)(hook(name))
        manager.register(types.SimpleNamespace(lamina_host_ready=function), name=name)
    notify(manager, "lamina_host_ready", plugins=PluginSet())
    assert calls == list("abcd")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("error", [ValueError("oh"), SystemExit(1), Mute()])
def test_a_failing_hook_is_logged_with_its_distribution_and_stops_no_other(
    manager: pluggy.PluginManager, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    calls: list[str] = []

    def fails(plugins: Iterable[Plugin]) -> None:
        raise error

    module(manager, "bad-dist:bad", lamina_host_stopping=fails)
    module(manager, "good-dist:good", lamina_host_stopping=lambda: calls.append("good"))
    with caplog.at_level(logging.ERROR):
        notify(manager, "lamina_host_stopping", plugins=PluginSet())
    assert calls == ["good"]
    (record,) = caplog.records
    assert record.getMessage() == "plugin hook failed"
    assert vars(record)["distribution"] == "bad-dist"
    assert vars(record)["hook"] == "lamina_host_stopping"
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_an_interrupt_propagates(manager: pluggy.PluginManager) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    module(manager, "one", lamina_host_ready=interrupted)
    with pytest.raises(KeyboardInterrupt):
        notify(manager, "lamina_host_ready", plugins=PluginSet())
    with ThreadPoolExecutor() as threads:  # no Ctrl-C there
        threads.submit(notify, manager, "lamina_host_ready", plugins=PluginSet()).result()
