"""`Host.reload` applies another configuration to a running host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.config import Config
from lamina.context import CallContext, use
from lamina.errdefs import (
    Canceled,
    ConfigError,
    FailedPrecondition,
    PluginFailed,
)
from lamina.host import Reloaded
from lamina.plugin import InitContext
from lamina.plugins.services.snapshots.plugin import lamina_proxy_types
from tests.support.plugins.benches import Bench, statuses
from tests.support.plugins.lamps import URI, Lamp, LampConfig


@attrs.frozen
class Needy:
    endpoint: str


def key(field: str) -> str:
    return f'plugins."{URI}".{field}'


class Lit:
    """A host with a lamp whose level and colours are live."""

    def __init__(self, bench: Bench, **options: Any) -> None:
        self._bench = bench
        bench.plugin(URI, Lamp, config=LampConfig, live=("level", "colours"))
        self.host = bench.host(**options)

    @property
    def lamp(self) -> Lamp:
        lamp: Lamp = self.host.get("x.light.v1", "lamp")
        return lamp

    def config(self, **table: Any) -> Config:
        return self._bench.config(plugins={URI: table})

    def reload(self, **table: Any) -> Reloaded:
        return self.host.reload(self.config(**table))


@pytest.fixture
def lit(bench: Bench) -> Iterator[Lit]:
    lit = Lit(bench)
    with lit.host:
        yield lit


def test_a_plugin_gets_new_live_fields_and_the_other_current_values(lit: Lit) -> None:
    reloaded = lit.reload(level=3, socket="E14")
    assert reloaded == Reloaded(changed=(key("level"),), needs_restart=(key("socket"),))
    assert lit.lamp.given == [LampConfig(), LampConfig(level=3)]


def test_changed_entries_of_a_table_are_reported_separately(lit: Lit) -> None:
    lit.reload(colours={"a": "red", "b": "blue"})
    reloaded = lit.reload(colours={"b": "green", "two words": "white"})
    assert set(reloaded.changed) == {key("colours.a"), key("colours.b"), key('colours."two words"')}


def test_a_plugin_without_live_changes_is_not_reconfigured(lit: Lit) -> None:
    assert lit.reload() == Reloaded()
    lit.reload(socket="E14")
    assert lit.lamp.given == [LampConfig()]


def test_a_needed_restart_is_reported_until_the_change_is_reverted(lit: Lit) -> None:
    assert [lit.reload(socket=socket).needs_restart for socket in ("E14", "E14", "E27")] == [
        (key("socket"),),
        (key("socket"),),
        (),
    ]


def test_an_invalid_configuration_changes_nothing_and_all_problems_are_reported(lit: Lit, bench: Bench) -> None:
    wrong = bench.config(debug={"level": "debug"}, plugins={URI: {"level": "bright", "sockt": ""}})
    with pytest.raises(ConfigError) as caught:
        lit.host.reload(wrong)
    assert [line.split(": ")[2] for line in str(caught.value).splitlines()] == [
        'expected a whole number, found the string "bright"',
        'unknown key (did you mean "socket"?)',
    ]
    assert lit.lamp.given == [LampConfig()]
    assert lit.host.reload(bench.config(debug={"level": "debug"})).changed == ("debug.level",)


def test_a_plugin_that_rejects_a_configuration_keeps_the_old_one_and_is_retried(lit: Lit) -> None:
    for _ in range(2):
        reloaded = lit.reload(level=13)
        assert (reloaded.changed, list(reloaded.failed)) == ((), [URI])
        assert str(reloaded.failed[URI]) == "fuse blown"
    assert lit.reload() == Reloaded()
    assert lit.lamp.given == [LampConfig()]


def test_live_fields_that_conflict_with_current_values_are_refused(bench: Bench) -> None:
    """Each file is in order; but the level of the second needs the least level of the second."""
    lit = Lit(bench, plugins={URI: {"level": 9, "least": 5}})
    with lit.host:
        reloaded = lit.reload(level=2, least=1)
        assert str(reloaded.failed[URI]) == "level is below 5"
        assert reloaded.needs_restart == (key("least"),)
        assert len(lit.lamp.given) == 1


def test_the_log_and_timeouts_can_change(lit: Lit, bench: Bench) -> None:
    reloaded = lit.host.reload(
        bench.config(debug={"level": "warn", "format": "json"}, timeouts={"io.lamina.timeout.plugin.close": "1s"})
    )
    assert reloaded == Reloaded(
        changed=('timeouts."io.lamina.timeout.plugin.close"', "debug.level", "debug.format")
    )


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"root": "/elsewhere"}, ("root",)),
        ({"state": "/elsewhere"}, ("state",)),
        ({"temp": "/elsewhere"}, ("temp",)),
        ({"disabled_plugins": [URI]}, ("disabled_plugins",)),
        ({"required_plugins": [URI]}, ("required_plugins",)),
        ({"disabled_distributions": ["lamina", "other"]}, ("disabled_distributions",)),
    ],
)
def test_host_wide_settings_need_a_restart(
    lit: Lit, bench: Bench, settings: dict[str, Any], keys: tuple[str, ...]
) -> None:
    for _ in range(2):
        assert lit.host.reload(bench.config(**settings)) == Reloaded(needs_restart=keys)


def test_a_changed_or_added_proxy_needs_a_restart_and_is_named(bench: Bench) -> None:
    def proxies(**addresses: str) -> dict[str, Any]:
        return {name: {"type": "snapshot", "address": address} for name, address in addresses.items()}

    bench.hooks["lamina_proxy_types"] = lamina_proxy_types
    with bench.host(proxy_plugins=proxies(far="/a")) as host:
        changed = host.reload(bench.config(proxy_plugins=proxies(far="/b", near="/c")))
    assert changed.needs_restart == ("proxy_plugins.far.address", "proxy_plugins.near")


def test_only_the_values_of_a_configuration_matter(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text("version = 3\n")
    one, two = ["x.a.v1.a", "x.b.v1.b"], ["x.b.v1.b", "x.a.v1.a", "x.b.v1.b"]
    with bench.host(disabled_plugins=one) as host:
        config = bench.config(version=3, disabled_plugins=two, imports=[str(tmp_path / "more.toml")])
        assert host.reload(config) == Reloaded()


def test_every_setting_of_a_plugin_that_does_not_work_needs_a_restart(bench: Bench) -> None:
    def fail(_: InitContext[LampConfig]) -> object:
        raise PluginFailed("no bulb")

    bench.plugin(URI, fail, config=LampConfig, live=("level",))
    with bench.host() as host:
        reloaded = host.reload(bench.config(plugins={URI: {"level": 2, "socket": "E14"}}))
        assert reloaded == Reloaded(needs_restart=(key("level"), key("socket")))


def test_a_reload_migrates_older_tables_and_a_failed_migration_affects_only_its_plugin(bench: Bench) -> None:
    def migrate(_: int, plugins: dict[str, dict[str, Any]]) -> None:
        plugins[URI]["level"] = int(plugins[URI].pop("brightness"))

    bench.plugin(URI, Lamp, config=LampConfig, live=("level",), migrate=migrate)
    with bench.host(version=3, plugins={URI: {"brightness": "1"}}) as host:
        assert host.reload(bench.config(version=3, plugins={URI: {"brightness": "2"}})).changed == (key("level"),)
        reloaded = host.reload(bench.config(version=3, plugins={URI: {"brightness": "dim"}}))
        assert (reloaded.changed, reloaded.needs_restart, list(reloaded.failed)) == ((), (), [URI])
        assert "dim" in str(reloaded.failed[URI])


def test_a_plugin_without_a_valid_default_fails_alone_until_a_restart(bench: Bench) -> None:
    bench.plugin("x.needy.v1.needy", config=Needy)
    bench.plugin("x.store.v1.floor")
    with bench.host() as host:
        assert statuses(host.plugins) == {"needy": "failed", "floor": "ok"}
        with pytest.raises(PluginFailed, match=r'plugins."x.needy.v1.needy".endpoint: expected a string'):
            host.get("x.needy.v1", "needy")
        with_table = bench.config(plugins={"x.needy.v1.needy": {"endpoint": "/e"}})
        assert host.reload(with_table) == Reloaded(needs_restart=('plugins."x.needy.v1.needy"',))


def test_a_reload_that_takes_a_required_setting_away_affects_only_its_plugin(bench: Bench) -> None:
    bench.plugin("x.needy.v1.needy", config=Needy)
    with bench.host(plugins={"x.needy.v1.needy": {"endpoint": "/e"}}) as host:
        reloaded = host.reload(bench.config())
        assert (reloaded.needs_restart, list(reloaded.failed)) == ((), ["x.needy.v1.needy"])


def test_a_reload_does_not_repeat_discovery(lit: Lit, bench: Bench) -> None:
    bench.plugin("x.late.v1.comer", config=LampConfig)
    lit.reload(level=2)
    assert [plugin.id for plugin in lit.host.plugins] == ["lamp"]


def test_only_a_host_that_runs_can_be_reloaded(bench: Bench) -> None:
    host = bench.host()
    with pytest.raises(FailedPrecondition, match="is not running"):
        host.reload(bench.config())
    with host:
        host.reload(bench.config())
    with pytest.raises(FailedPrecondition, match="is not running"):
        host.reload(bench.config())


def test_a_reload_that_is_cancelled_ends_before_the_next_plugin(lit: Lit) -> None:
    context = CallContext()
    context.cancel()
    with use(context), pytest.raises(Canceled):
        lit.reload(level=2)
    assert lit.lamp.given == [LampConfig()]
    assert lit.reload(level=2).changed == (key("level"),)


# In general


TABLES = st.fixed_dictionaries(
    {
        "level": st.integers(1, 3),
        "colours": st.dictionaries(st.sampled_from("abc"), st.sampled_from(["red", "blue"])),
        "socket": st.sampled_from(["E14", "E27"]),
        "least": st.integers(0, 1),
    }
)


@settings(max_examples=50)
@given(tables=st.lists(TABLES, min_size=1, max_size=5))
def test_live_fields_come_from_the_last_file_and_others_from_the_first(
    tmp_path_factory: pytest.TempPathFactory, tables: list[dict[str, Any]]
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        lit = Lit(Bench(tmp_path_factory.mktemp("host"), "plugins_of_property", monkeypatch))
        with lit.host:
            for table in tables:
                reloaded = lit.reload(**table)
                fixed = {"socket": "E27", "least": 0}
                assert lit.lamp.given[-1] == LampConfig(**{**table, **fixed})
                assert reloaded.needs_restart == tuple(
                    key(name) for name, value in fixed.items() if table[name] != value
                )
                again = lit.reload(**table)
                assert (again.changed, again.needs_restart) == ((), reloaded.needs_restart)
