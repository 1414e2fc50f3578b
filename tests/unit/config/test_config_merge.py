"""Later files override earlier ones key by key, and the origin of each key is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.config import Config, Origin, load
from lamina.config.reading._document import Document
from lamina.config.reading._merge import merge
from lamina.errdefs import ConfigError, InvalidArgument

URI = "io.containerd.snapshotter.v1.overlayfs"


def load_two(tmp_path: Path, main: str, imported: str) -> Config:
    (tmp_path / "main.toml").write_text(f'version = 4\nimports = ["over.toml"]\n{main}')
    (tmp_path / "over.toml").write_text(f"version = 4\n{imported}")
    return load(tmp_path / "main.toml")


def test_empty_values_override_too(tmp_path: Path) -> None:
    config = load_two(
        tmp_path,
        f'temp = "/x"\n[plugins."{URI}"]\na = true\nb = 5\nc = "c"\nd = [1]\n',
        f'temp = ""\n[plugins."{URI}"]\na = false\nb = 0\nc = ""\nd = []\n',
    )
    assert config.host.temp == ""
    assert config.plugins == {URI: {"a": False, "b": 0, "c": "", "d": []}}


def test_top_level_arrays_are_concatenated_in_order(tmp_path: Path) -> None:
    config = load_two(
        tmp_path,
        'disabled_plugins = ["a.b", "c.d"]',
        'disabled_plugins = ["e.f", "a.b"]\nrequired_plugins = ["x.y"]',
    )
    assert config.host.disabled_plugins == ["a.b", "c.d", "e.f"]
    assert config.host.required_plugins == ["x.y"]


def test_an_element_of_a_united_array_keeps_its_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_two(tmp_path, 'disabled_plugins = [\n"a.b",\n1,\n]', 'disabled_plugins = [\n"a.b",\n"c.d",\n2,\n]')
    assert str(caught.value).split("\n") == [
        f"{tmp_path}/main.toml:5: disabled_plugins[1]: expected a string, found the number 1",
        f"{tmp_path}/over.toml:5: disabled_plugins[2]: expected a string, found the number 2",
    ]


def test_tables_are_merged_at_every_depth_and_their_arrays_replaced(tmp_path: Path) -> None:
    config = load_two(
        tmp_path,
        f'[plugins."{URI}"]\na.b.c = 1\na.b.d = [1, 2]\nx = 1\n[timeouts]\none = "1s"\ntwo = "2s"\n',
        f'[plugins."{URI}".a.b]\nd = [3]\ne = 2\n[timeouts]\ntwo = "3s"\n',
    )
    assert config.plugins == {URI: {"a": {"b": {"c": 1, "d": [3], "e": 2}}, "x": 1}}
    assert config.host.timeouts == {"one": 1.0, "two": 3.0}


def test_a_table_and_a_value_replace_each_other(tmp_path: Path) -> None:
    config = load_two(tmp_path, f'[plugins."{URI}"]\na = 1\nb.c = 2\n', f'[plugins."{URI}"]\na.x = 2\nb = 3\n')
    assert config.plugins == {URI: {"a": {"x": 2}, "b": 3}}
    assert config.origin(f'plugins."{URI}".b.c') is None


def test_overridden_values_are_not_checked(tmp_path: Path) -> None:
    assert load_two(tmp_path, "temp = 5", 'temp = "/x"').host.temp == "/x"


def test_the_origin_of_each_key_is_the_file_that_set_it_last(tmp_path: Path) -> None:
    config = load_two(
        tmp_path,
        f'temp = "/x"\n[debug]\nlevel = "warn"\nformat = "json"\n[plugins."{URI}"]\na = 1\n',
        f'[debug]\nlevel = "error"\n[plugins."{URI}"]\nb = 1\n',
    )
    main, over = str(tmp_path / "main.toml"), str(tmp_path / "over.toml")
    assert config.origin("temp") == Origin(main, 3)
    assert config.origin("debug.level") == Origin(over, 3)
    assert config.origin("debug.format") == Origin(main, 6)
    assert config.origin(f'plugins."{URI}".a') == Origin(main, 8)
    assert config.origin(f"plugins.'{URI}'.b") == Origin(over, 5)
    assert config.origin("root") is None
    assert str(config.origin("temp")) == f"{main}:3"


def test_the_origin_of_an_unknown_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="not a dotted key"):
        load_two(tmp_path, "", "").origin("a b")


def test_a_problem_names_the_file_that_set_the_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{tmp_path}/over.toml:3: debug.level: expected one of"):
        load_two(tmp_path, '[debug]\nlevel = "warn"\n', '[debug]\nlevel = "loud"\n')


tables = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=3),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)


def reference(documents: list[dict[str, Any]], top: bool = True) -> dict[str, Any]:
    """The rules in few words: for each key, the last value and those before it that it can be merged with."""
    result: dict[str, Any] = {}
    for key in {key for document in documents for key in document}:
        values = [document[key] for document in documents if key in document]
        kind = type(values[-1])
        start = max((index + 1 for index, value in enumerate(values) if type(value) is not kind), default=0)
        if kind is dict:
            result[key] = reference(values[start:], top=False)
        elif kind is list and top:
            result[key] = list(dict.fromkeys(element for value in values[start:] for element in value))
        else:
            result[key] = values[-1]
    return result


@given(st.lists(tables, min_size=1, max_size=4))
def test_merging_follows_the_rules(contents: list[dict[str, Any]]) -> None:
    assert merge([Document(str(index), each) for index, each in enumerate(contents)]).tables == reference(contents)


@given(st.lists(tables, min_size=1, max_size=4))
def test_the_origin_of_every_value_contains_it(contents: list[dict[str, Any]]) -> None:
    merged = merge([Document(str(index), each) for index, each in enumerate(contents)])

    def check(table: dict[str, Any], path: tuple[str, ...]) -> None:
        for key, value in table.items():
            origin = merged.origin((*path, key))
            assert origin is not None
            there: Any = contents[int(origin.name)]
            for part in (*path, key):
                there = there[part]
            if isinstance(value, dict):
                check(value, (*path, key))
            else:
                assert there == value or not path

    check(merged.tables, ())


def test_merging_does_not_change_the_documents() -> None:
    first, second = {"a": [1], "b": {"c": {"d": 1}}}, {"a": [2], "b": {"c": {"e": 1}}}
    merge([Document("1", first), Document("2", second)])
    assert (first, second) == ({"a": [1], "b": {"c": {"d": 1}}}, {"a": [2], "b": {"c": {"e": 1}}})
