"""Explanations of settings: value, origin, default and meaning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.config import GRPC_SERVER, Config, Duration, Origin, from_document, load
from lamina.config.describing import Explanation, effective_tables, json_schema
from lamina.config.describing import explain as explain_in
from lamina.errdefs import InvalidArgument, NotFound
from lamina.plugins.services.snapshots._config import SnapshotterProxy

DISK = "io.x.v1.disk"


@attrs.frozen
class Limits:
    """How much."""

    files: int = 100
    """How many files."""


@attrs.frozen
class Disk:
    """Where data is.

    A second paragraph."""

    path: str = "/d"
    """The directory."""
    mode: Literal["fast", "safe"] = "safe"
    size: int | None = None
    wait: Duration = attrs.field(default=Duration(3))
    names: dict[str, str] = attrs.field(factory=lambda: {"a": "b"})
    limits: Limits = attrs.field(factory=Limits)
    all_limits: list[Limits] = attrs.field(factory=list)
    pair: tuple[int, bool] = (1, True)


@attrs.frozen
class Listener:
    address: str = ""


SCHEMAS = {DISK: Disk, GRPC_SERVER: Listener}


def explain(config: Config, key: str) -> Explanation:
    proxies = {"snapshot": SnapshotterProxy}
    config = config.with_proxies(proxies)
    tables = effective_tables(config, config.decode_plugins(SCHEMAS)[0])
    return explain_in(config, tables, json_schema(SCHEMAS, proxies), key)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "more.toml").write_text(f'version = 3\ndisabled_plugins = ["c.d"]\n[plugins."{DISK}"]\nsize = 5\n')
    (tmp_path / "config.toml").write_text(
        f"""\
version = 4
imports = ["more.toml"]
disabled_plugins = ["a.b"]
[plugins."{DISK}"]
path = "/mine"
names.x = "y"
[plugins."io.gone.v1.x"]
a.b = 1
[proxy_plugins.far]
type = "snapshot"
address = "/far"
"""
    )
    return load(tmp_path / "config.toml").with_overrides({"LAMINA_ROOT": "/e"}, address="/a")


def test_a_setting_of_a_file(config: Config, tmp_path: Path) -> None:
    assert explain(config, f'plugins."{DISK}".path') == Explanation(
        key=f'plugins."{DISK}".path',
        value="/mine",
        default="/d",
        origin=Origin(f"{tmp_path}/config.toml", 5),
        type="string",
        meaning="The directory.",
    )


def test_an_unset_setting_shows_its_default(config: Config) -> None:
    found = explain(config, f'plugins."{DISK}".limits.files')
    assert (found.value, found.default, found.origin, found.meaning) == (100, 100, None, "How many files.")


def test_settings_of_an_import_the_environment_and_a_flag(config: Config, tmp_path: Path) -> None:
    assert explain(config, f"{DISK}.size").origin == Origin(f"{tmp_path}/more.toml", 4)
    assert explain(config, "root").origin == Origin("LAMINA_ROOT", None)
    assert explain(config, f"{GRPC_SERVER}.address").origin == Origin("--address", None)


def test_a_setting_that_has_neither_value_nor_default() -> None:
    found = explain(from_document({}), f"{DISK}.size")
    assert (found.value, found.default, found.type) == (None, None, "whole number")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("version", "4"),
        ("imports", "array of strings"),
        ("timeouts", "table of durations"),
        ("debug", "table"),
        ("debug.format", 'one of "text", "json"'),
        ("plugins", "table of tables"),
        ("proxy_plugins", "table of tables"),
        ("proxy_plugins.far.timeout", "duration"),
        (f"{DISK}.names", "table of strings"),
        (f"{DISK}.names.x", "string"),
        (f"{DISK}.all_limits", "array of tables"),
        (f"{DISK}.pair", "array of whole number, true or false"),
        ("io.gone.v1.x.a.b", "anything"),
    ],
)
def test_the_type_is_shown_in_words(config: Config, key: str, words: str) -> None:
    assert explain(config, key).type == words


@pytest.mark.parametrize(
    "key",
    [
        f'plugins."{DISK}".path',
        f"plugins.'{DISK}'.path",
        f"plugins.{DISK}.path",
        f"{DISK}.path",
        f'"{DISK}".path',
    ],
)
def test_a_uri_needs_neither_quotes_nor_plugins_before_it(config: Config, key: str) -> None:
    assert explain(config, key).value == "/mine"


def test_a_key_of_an_older_version_is_translated(config: Config) -> None:
    assert explain(config, "grpc.address").key == f'plugins."{GRPC_SERVER}".address'


def test_every_setting_of_a_table_is_explained(config: Config) -> None:
    found = explain(config, DISK)
    assert (found.key, found.meaning) == (f'plugins."{DISK}"', "Where data is.\n\nA second paragraph.")
    assert [one.key.removeprefix(found.key + ".") for one in found.settings()] == [
        "path",
        "mode",
        "size",
        "wait",
        "names.x",
        "limits.files",
        "all_limits",
        "pair",
    ]


def test_the_id_of_a_plugin_stands_for_its_uri(config: Config) -> None:
    assert explain(config, "disk.path").key == f'plugins."{DISK}".path'
    assert explain(config, "disk").key == f'plugins."{DISK}"'


def test_a_concatenated_array_names_each_file(config: Config, tmp_path: Path) -> None:
    found = explain(config, "disabled_plugins")
    assert [(part.value, str(part.origin)) for part in found.parts] == [
        ("a.b", f"{tmp_path}/config.toml:3"),
        ("c.d", f"{tmp_path}/more.toml:2"),
    ]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("rot", 'rot: there is no such setting (did you mean "root"?)'),
        (f"{DISK}.pathh", f'plugins."{DISK}".pathh: there is no such setting (did you mean "path"?)'),
        (f"{DISK}.path.x", f'plugins."{DISK}".path.x: there is no such setting'),
        ("proxy_plugins.fat", 'proxy_plugins.fat: there is no such setting (did you mean "far"?)'),
        ("timeouts.x", "timeouts.x: there is no such setting"),
        ("debug.zzz", "debug.zzz: there is no such setting (known are format, level)"),
        ("io.x.v1.dusk", f'plugins."io.x.v1.dusk": there is no such setting (did you mean "{DISK}"?)'),
        ("plugins.io.x.v1.dusk", f'plugins."io.x.v1.dusk": there is no such setting (did you mean "{DISK}"?)'),
        ("plugins.x", f"plugins.x: there is no such setting (known are {GRPC_SERVER}, io.gone.v1.x, {DISK})"),
        ('plugins."io.gone.v1.x".c.d', 'plugins."io.gone.v1.x".c: there is no such setting (known are a)'),
    ],
)
def test_an_unknown_key_is_reported_with_the_nearest_one(config: Config, key: str, message: str) -> None:
    with pytest.raises(NotFound) as caught:
        explain(config, key)
    assert str(caught.value) == message


def test_an_invalid_key_is_refused(config: Config) -> None:
    with pytest.raises(InvalidArgument, match="not a dotted key"):
        explain(config, "a b")


def leaves(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


disks = st.fixed_dictionaries(
    {},
    optional={
        "path": st.sampled_from(["/x", "/d"]),
        "size": st.integers(0, 2),
        "names": st.dictionaries(st.sampled_from(["a", "b c"]), st.sampled_from("xy"), max_size=2),
        "limits": st.fixed_dictionaries({}, optional={"files": st.integers(0, 2)}),
    },
)
contents = st.fixed_dictionaries(
    {},
    optional={"temp": st.sampled_from(["/t", ""]), "plugins": st.fixed_dictionaries({}, optional={DISK: disks})},
)


@given(contents, st.none() | st.just("/over"), st.none() | st.just("warn"))
def test_every_setting_is_explained_with_value_and_origin(
    document: dict[str, Any], root: str | None, level: str | None
) -> None:
    config = from_document(document).with_overrides({"LAMINA_LOG_LEVEL": level or ""}, root=root)
    tables = effective_tables(config, config.decode_plugins(SCHEMAS)[0])
    explained = {one.key: one for one in explain(config, "").settings()}
    given_keys = {path for path, _ in leaves(document)}
    for path, value in leaves(tables):
        one = explained[".".join(f'"{name}"' if "." in name or " " in name else name for name in path)]
        assert one.value == value
        assert one.origin == config.origin_of(path)
        if one.origin is None:
            assert path not in given_keys
            assert value == one.default
