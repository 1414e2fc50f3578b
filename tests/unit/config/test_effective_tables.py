"""The effective configuration can be written as one equivalent file."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import attrs
import tomli
from hypothesis import given
from hypothesis import strategies as st

from lamina.config import Config, Duration, from_document, load
from lamina.config.describing import effective_tables, inline, json_ready, render

URI, GONE, OFF = "io.x.v1.test", "io.x.v1.gone", "io.x.v1.off"


class Mode(enum.StrEnum):
    FAST = "fast"
    SAFE = "safe"


@attrs.frozen
class Limits:
    files: int = 100
    ratio: float = 0.5


@attrs.frozen
class Everything:
    mode: Mode = Mode.SAFE
    wait: Duration = attrs.field(default=Duration(1.5))
    place: Path = Path("/x")
    optional: int | None = None
    options: tuple[str, ...] = ("a", "b")
    names: frozenset[str] = frozenset({"b", "a"})
    limits: Limits = attrs.field(factory=Limits)
    several: list[Limits] = attrs.field(factory=lambda: [Limits(1)])
    table: dict[str, int] = attrs.field(factory=lambda: {"a b": 1})


SCHEMAS = {URI: Everything, OFF: Everything}


def tables_of(config: Config) -> dict[str, Any]:
    return effective_tables(config, config.decode_plugins(SCHEMAS)[0])


def test_every_default_is_filled_in() -> None:
    tables = tables_of(from_document({"root": "/r", "state": "/s"}))
    assert tables["debug"] == {"level": "info", "format": "text"}
    assert tables["plugins"][URI] == {
        "mode": "safe",
        "wait": "1.5s",
        "place": "/x",
        "options": ["a", "b"],
        "names": ["a", "b"],
        "limits": {"files": 100, "ratio": 0.5},
        "several": [{"files": 1, "ratio": 0.5}],
        "table": {"a b": 1},
    }


def test_tables_that_are_not_decoded_are_kept_and_imports_are_not(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text(f'version = 4\n[plugins."{GONE}"]\nx = 2020-01-01\n')
    (tmp_path / "main.toml").write_text(
        f'version = 4\nimports = ["more.toml"]\ndisabled_plugins = ["{OFF}"]\n[plugins."{OFF}"]\nnonsense = 1\n'
    )
    tables = tables_of(load(tmp_path / "main.toml"))
    assert tables["imports"] == []
    assert {uri: table for uri, table in tables["plugins"].items() if uri != URI} == tomli.loads(
        f'"{GONE}".x = 2020-01-01\n"{OFF}".nonsense = 1\n'
    )


limits = st.fixed_dictionaries({}, optional={"files": st.integers(), "ratio": st.floats(allow_nan=False)})
texts = st.text(st.characters(codec="utf-8"))
documents = st.fixed_dictionaries(
    {},
    optional={
        "debug": st.fixed_dictionaries({}, optional={"level": st.sampled_from(["trace", "warn"])}),
        "disabled_plugins": st.lists(st.sampled_from([OFF, "a.b"]), unique=True),
        "timeouts": st.dictionaries(texts, st.sampled_from(["1s", "1h2m", "3ns"]), max_size=2),
        "proxy_plugins": st.dictionaries(
            st.sampled_from("ab"),
            st.fixed_dictionaries(
                {"type": st.just("snapshot"), "address": st.just("/a")}, optional={"timeout": st.just("3s")}
            ),
        ),
        "plugins": st.fixed_dictionaries(
            {},
            optional={
                URI: st.fixed_dictionaries(
                    {},
                    optional={
                        "mode": st.sampled_from(["fast", "safe"]),
                        "wait": st.sampled_from(["0", "-1m", "1.25us"]),
                        "place": st.just("/y/../z"),
                        "optional": st.integers(),
                        "options": st.lists(texts, max_size=2),
                        "names": st.lists(texts, max_size=2),
                        "limits": limits,
                        "several": st.lists(limits, max_size=2),
                        "table": st.dictionaries(texts, st.integers(), max_size=2),
                    },
                ),
                GONE: st.dictionaries(texts, st.integers() | st.lists(texts) | limits, max_size=2),
            },
        ),
    },
)


@given(documents)
def test_the_written_configuration_loads_as_the_same(tmp_path: Path, document: dict[str, Any]) -> None:
    config = from_document(document).with_overrides(root="/r", state="/s", log_level="error")
    path = tmp_path / "dump.toml"
    path.write_text(render(tables_of(config)))
    again = load(path)
    assert attrs.evolve(again.host, plugins={}) == attrs.evolve(config.host, plugins={})
    assert again.decode_plugins(SCHEMAS)[0] == config.decode_plugins(SCHEMAS)[0]
    assert tables_of(again) == tables_of(config)


toml_values = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.dates()
    | st.times(timezones=st.none())
    | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(toml_values)
def test_a_value_on_one_line_is_toml(value: Any) -> None:
    text = inline(value)
    assert "\n" not in text
    assert tomli.loads(f"x = {text}") == {"x": value}


def test_json_represents_other_types_as_strings() -> None:
    tables = tomli.loads("a = [nan, -inf, 1.5]\nb.c = 2020-01-02T03:04:05Z\nd = 07:00:00\n")
    assert json_ready(tables) == {
        "a": ["nan", "-inf", 1.5],
        "b": {"c": "2020-01-02T03:04:05+00:00"},
        "d": "07:00:00",
    }
