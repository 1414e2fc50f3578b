"""`PluginSet`: the records, and the look-ups."""

from __future__ import annotations

from typing import Any

import pytest

from lamina.errdefs import AlreadyExists, MultipleInstances, NoInstance, PluginFailed, SkipPlugin
from lamina.plugin import Plugin, PluginSet, Status


def plugin_set(*plugins: Plugin) -> PluginSet:
    result = PluginSet()
    for plugin in plugins:
        result.add(plugin)
    return result


def working(uri: str, instance: Any) -> Plugin:
    plugin_type, _, plugin_id = uri.partition(".")
    return Plugin(type=plugin_type, id=plugin_id, instance=instance)


def broken(uri: str, status: Status, error: Exception) -> Plugin:
    plugin_type, _, plugin_id = uri.partition(".")
    return Plugin(type=plugin_type, id=plugin_id, status=status, error=error)


SKIPPED = broken("t.skipped", Status.SKIPPED, SkipPlugin("no such kernel"))
FAILED = broken("t.failed", Status.FAILED, OSError("no space"))


def test_get_all_has_every_record_in_order_of_addition() -> None:
    one = working("t.one", 1)
    plugins = plugin_set(FAILED, one, SKIPPED)
    assert plugins.get_all() == tuple(plugins) == (FAILED, one, SKIPPED)
    assert len(plugins) == 3


def test_a_second_record_of_a_uri_is_refused() -> None:
    plugins = plugin_set(FAILED)
    with pytest.raises(AlreadyExists, match=r"^plugin add failed for t\.failed: plugin: already initialized$"):
        plugins.add(working("t.failed", 1))


def test_get_single_returns_the_only_working_instance() -> None:
    assert plugin_set(FAILED, working("t.one", 1), SKIPPED).get_single("t") == 1


def test_get_single_refuses_to_choose() -> None:
    plugins = plugin_set(working("t.one", 1), working("t.two", 2), FAILED)
    with pytest.raises(MultipleInstances, match=r"^multiple plugins registered for t: one, two$"):
        plugins.get_single("t")


@pytest.mark.parametrize("look_up", ["get_single", "get_by_type"])
def test_a_type_without_plugins_has_no_instance(look_up: str) -> None:
    with pytest.raises(NoInstance, match=r"^no plugins registered for t$"):
        getattr(plugin_set(working("other.one", 1)), look_up)("t")


@pytest.mark.parametrize("look_up", ["get_single", "get_by_type"])
def test_if_all_are_skipped_the_error_has_the_reasons(look_up: str) -> None:
    with pytest.raises(NoInstance, match=r"^no plugins registered for t; skipped is skipped: no such kernel$"):
        getattr(plugin_set(SKIPPED), look_up)("t")


@pytest.mark.parametrize("look_up", ["get_single", "get_by_type"])
def test_without_a_working_plugin_the_first_failure_is_raised(look_up: str) -> None:
    plugins = plugin_set(SKIPPED, FAILED, broken("t.other", Status.FAILED, OSError("other")))
    with pytest.raises(PluginFailed, match=r"^no plugin of type t works: t\.failed: OSError: no space$") as raised:
        getattr(plugins, look_up)("t")
    assert raised.value.__cause__ is FAILED.error


def test_get_by_id_finds_the_instance() -> None:
    assert plugin_set(FAILED, working("t.one", 1)).get_by_id("t", "one") == 1


def test_get_by_id_of_a_skipped_plugin_raises_its_own_error() -> None:
    with pytest.raises(SkipPlugin) as raised:
        plugin_set(SKIPPED).get_by_id("t", "skipped")
    assert raised.value is SKIPPED.error


def test_get_by_id_of_a_failed_plugin_is_a_failure_with_its_cause() -> None:
    with pytest.raises(PluginFailed, match=r"^t\.failed does not work: OSError: no space$") as raised:
        plugin_set(FAILED).get_by_id("t", "failed")
    assert raised.value.__cause__ is FAILED.error


def test_get_by_id_of_an_absent_plugin_is_no_instance() -> None:
    with pytest.raises(NoInstance, match=r"^no plugins registered for t\.two$"):
        plugin_set(working("t.one", 1)).get_by_id("t", "two")


def test_get_by_type_returns_working_and_failed_plugins() -> None:
    instances = plugin_set(working("t.b", 1), FAILED, SKIPPED, working("t.a", 2)).get_by_type("t")
    assert instances == {"b": 1, "a": 2}
    assert list(instances) == ["b", "a"]
    assert dict(instances.failed) == {"failed": FAILED}


def test_a_falsy_instance_is_an_instance() -> None:
    assert plugin_set(working("t.one", 0)).get_single("t") == 0
