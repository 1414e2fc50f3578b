"""The tables of proxy plugins, and their merging from several files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.config import Config, HostConfig, Origin, from_document, load
from lamina.config.describing import render_default
from lamina.errdefs import ConfigError
from lamina.plugins.services.snapshots._config import SnapshotterProxy

PROXIES = dict.fromkeys(("snapshot", "io.containerd.snapshotter.v1"), SnapshotterProxy)
OVERLAY = "io.containerd.snapshotter.v1.overlayfs"


def proxies(**tables: Any) -> dict[str, SnapshotterProxy]:
    config = from_document({"proxy_plugins": tables}).with_proxies(PROXIES)
    config.decode_plugins({})
    return config.host.proxy_plugins


def fields(tables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: attrs.asdict(table) for name, table in tables.items()}


def problem(tmp_path: Path, text: str) -> str:
    """Return the problems of a file without its path."""
    path = tmp_path / "config.toml"
    path.write_text(f"version = 4\n{text}")
    with pytest.raises(ConfigError) as caught:
        load(path).with_proxies(PROXIES).decode_plugins({})
    return str(caught.value).replace(f"{path}:", "")


def test_type_and_address_are_enough() -> None:
    found = proxies(remote={"type": "snapshot", "address": "/run/remote.sock"})
    assert fields(found) == fields({"remote": SnapshotterProxy(type="snapshot", address="/run/remote.sock")})
    assert found["remote"].timeout == 300
    assert found["remote"].quick_timeout == 10


def test_every_key_of_the_table_is_read() -> None:
    found = proxies(
        remote={
            "type": "io.containerd.snapshotter.v1",
            "address": "unix:///run/remote.sock",
            "platform": "linux/arm/v7",
            "exports": {"root": "/srv"},
            "capabilities": ["rebase"],
            "snapshotter": "native",
            "namespace": "k8s.io",
            "timeout": "1m",
            "quick_timeout": "500ms",
        }
    )
    assert attrs.asdict(found["remote"]) == {
        "type": "io.containerd.snapshotter.v1",
        "address": "unix:///run/remote.sock",
        "platform": "linux/arm/v7",
        "exports": {"root": "/srv"},
        "capabilities": ["rebase"],
        "snapshotter": "native",
        "namespace": "k8s.io",
        "timeout": 60,
        "quick_timeout": 0.5,
    }


@pytest.mark.parametrize("word", ["content", "diff", "sandbox", "io.containerd.content.v1", "snapshots", ""])
def test_another_type_is_an_error_that_names_what_is_supported(tmp_path: Path, word: str) -> None:
    text = f'[proxy_plugins.remote]\ntype = "{word}"\naddress = "/s"\n'
    assert problem(tmp_path, text) == (
        '3: proxy_plugins.remote.type: expected one of "snapshot", "io.containerd.snapshotter.v1", '
        f'found the string "{word}"'
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            'address = "/s"',
            'remote.type: expected one of "snapshot", "io.containerd.snapshotter.v1", found nothing',
        ),
        ('type = "snapshot"', "proxy_plugins.remote.address: expected a string, found nothing"),
        ('type = "snapshot"\naddress = ""', "proxy_plugins.remote.address: address must be specified"),
        ('type = "snapshot"\naddress = "/s"\nadress = "/t"', 'unknown key (did you mean "address"?)'),
        ('type = "snapshot"\naddress = "/s"\nplatform = "linux"', '"linux" is not a platform: expected one like'),
        ('type = "snapshot"\naddress = "/s"\nnamespace = "a b"', "namespace 'a b': expected 1 to 76"),
        ('type = "snapshot"\naddress = "/s"\ntimeout = "0s"', "expected a duration longer than 0s, found 0s"),
        (
            'type = "snapshot"\naddress = "/s"\ntimeout = 5',
            'expected a duration such as "1m30s", found the number 5',
        ),
        (
            'type = "snapshot"\naddress = "/s"\nexports = {a = 1}',
            "exports.a: expected a string, found the number 1",
        ),
        ('type = "snapshot"\naddress = "/s"\ncapabilities = "rebase"', "capabilities: expected an array"),
    ],
)
def test_a_problem_of_a_table_is_reported_with_its_key(tmp_path: Path, table: str, message: str) -> None:
    assert message in problem(tmp_path, f"[proxy_plugins.remote]\n{table}\n")


@pytest.mark.parametrize("name", ["", "a/b", "a\0b"])
def test_an_invalid_plugin_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a plugin"):
        proxies(**{name: {"type": "snapshot", "address": "/s"}})


def load_two(tmp_path: Path, main: str, imported: str) -> Config:
    (tmp_path / "main.toml").write_text(f'version = 4\nimports = ["over.toml"]\n{main}')
    (tmp_path / "over.toml").write_text(f"version = 4\n{imported}")
    config = load(tmp_path / "main.toml").with_proxies(PROXIES)
    config.decode_plugins({})
    return config


def test_a_later_file_replaces_a_proxys_table_as_a_whole_and_leaves_the_others(tmp_path: Path) -> None:
    config = load_two(
        tmp_path,
        """\
[proxy_plugins.one]
type = "snapshot"
address = "/one"
platform = "linux/arm64"
exports = {root = "/srv"}
[proxy_plugins.two]
type = "snapshot"
address = "/two"
""",
        """\
[proxy_plugins.one]
type = "snapshot"
address = "/uno"
exports = {a = "b"}
""",
    )
    assert fields(config.host.proxy_plugins) == fields(
        {
            "one": SnapshotterProxy(type="snapshot", address="/uno", exports={"a": "b"}),
            "two": SnapshotterProxy(type="snapshot", address="/two"),
        }
    )
    assert config.origin("proxy_plugins.one.address") == Origin(f"{tmp_path}/over.toml", 4)
    assert config.origin("proxy_plugins.one.platform") is None
    assert config.origin("proxy_plugins.two.address") == Origin(f"{tmp_path}/main.toml", 10)


def test_a_replacing_table_inherits_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"over\.toml:2: proxy_plugins\.one\.address: .* found nothing"):
        load_two(
            tmp_path,
            '[proxy_plugins.one]\ntype = "snapshot"\naddress = "/one"\n',
            '[proxy_plugins.one]\ntype = "snapshot"\n',
        )


def test_a_table_of_a_type_that_no_package_provides_is_a_problem() -> None:
    config = from_document({"proxy_plugins": {"far": {"type": "tape"}, "near": 5}}).with_proxies({})
    with pytest.raises(ConfigError) as caught:
        config.decode_plugins({})
    assert [str(problem).partition(": ")[2] for problem in caught.value.problems] == [
        'proxy_plugins.far.type: expected a type of an installed package, found the string "tape"',
        "proxy_plugins.near: expected a table, found the number 5",
    ]


def test_the_name_of_an_installed_plugin_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('version = 4\n[proxy_plugins.overlayfs]\ntype = "snapshot"\naddress = "/s"\n')
    for schemas, unloadable in ({}, [OVERLAY]), ({OVERLAY: None}, []):
        with pytest.raises(ConfigError) as caught:
            load(path).decode_plugins(schemas, unloadable, {"overlayfs": OVERLAY})
        assert str(caught.value) == (
            f"{path}:2: proxy_plugins.overlayfs: {OVERLAY} is an installed plugin: choose another name"
        )


def test_a_plugin_table_for_a_proxy_is_a_warning() -> None:
    uri = "io.containerd.snapshotter.v1.remote"
    table = {"type": "snapshot", "address": "/s"}
    config = from_document({"proxy_plugins": {"remote": table}, "plugins": {uri: {"root_path": "/x"}}})
    _, warnings = config.decode_plugins({OVERLAY: None}, proxies={"remote": uri})
    (warning,) = warnings
    assert warning.endswith(f': plugins."{uri}": not used: this plugin takes no configuration')


def test_the_table_of_a_plugin_that_fails_to_load_is_ignored() -> None:
    config = from_document({"plugins": {OVERLAY: {"root_path": "/x"}}})
    assert config.decode_plugins({}, [OVERLAY]) == ({}, [])


def test_the_printed_defaults_have_an_empty_table_with_a_comment() -> None:
    text = render_default({}, HostConfig(root="/r", state="/s"))
    assert "\n# Plugins behind other sockets, by name.\n[proxy_plugins]\n" in text


def test_a_printed_proxy_reads_back(tmp_path: Path) -> None:
    tables = {
        "a b": SnapshotterProxy(type="snapshot", address="/s", exports={"root": "/r"}, capabilities=["rebase"])
    }
    path = tmp_path / "config.toml"
    path.write_text(render_default({}, HostConfig(root="/r", state="/s", proxy_plugins=tables)))
    assert fields(load(path).with_proxies(PROXIES).host.proxy_plugins) == fields(tables)
