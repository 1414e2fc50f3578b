"""Files of versions 2 and 3 are migrated to version 4."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from lamina.config import GRPC_SERVER, Origin, load
from lamina.errdefs import ConfigError


def write(tmp_path: Path, text: str, name: str = "config.toml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("grpc", "table"),
    [
        ('address = "/a.sock"\nuid = 0\ngid = 5', {"address": "/a.sock", "uid": 0, "gid": 5}),
        ("uid = 0\ngid = 5", {"gid": 5}),
        (
            "max_recv_message_size = 1024\nmax_send_message_size = 0\naddress = ''",
            {"max_recv_message_size": 1024},
        ),
    ],
)
def test_grpc_becomes_the_listeners_table(tmp_path: Path, grpc: str, table: dict[str, object]) -> None:
    config = load(write(tmp_path, f"version = 3\n[grpc]\n{grpc}\n"))
    assert config.plugins == {GRPC_SERVER: table}
    assert config.host.version == 4


@pytest.mark.parametrize("grpc", ["", "[grpc]\n", "[grpc]\nuid = 0\n"])
def test_without_settings_there_is_no_table(tmp_path: Path, grpc: str) -> None:
    assert load(write(tmp_path, f"version = 3\n{grpc}")).plugins == {}


def test_an_existing_table_of_the_listener_wins_with_a_warning(tmp_path: Path) -> None:
    path = write(
        tmp_path, f'version = 3\n[grpc]\naddress = "/a"\nuid = 1\n[plugins."{GRPC_SERVER}"]\naddress = "/b"\n'
    )
    config = load(path)
    assert config.plugins == {GRPC_SERVER: {"address": "/b"}}
    assert config.warnings == (f'{path}:2: grpc: ignored: the file also has plugins."{GRPC_SERVER}"',)


def test_each_file_is_translated_by_itself(tmp_path: Path) -> None:
    path = write(
        tmp_path, f'version = 4\nimports = ["old.toml"]\n[plugins."{GRPC_SERVER}"]\naddress = "/b"\nuid = 1\n'
    )
    old = write(tmp_path, 'version = 3\n[grpc]\naddress = "/a"\n', "old.toml")
    config = load(path)
    assert config.plugins == {GRPC_SERVER: {"address": "/a", "uid": 1}}
    assert config.origin(f'plugins."{GRPC_SERVER}".address') == Origin(str(old), 3)


@attrs.frozen
class Listener:
    address: str = ""
    uid: int = 0


def test_a_problem_is_reported_at_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, 'version = 3\n[grpc]\nuid = "root"\n')
    with pytest.raises(
        ConfigError, match=f'^{path}:3: grpc.uid: expected a whole number, found the string "root"$'
    ):
        load(path).decode_plugins({GRPC_SERVER: Listener})


def test_an_unknown_key_of_grpc_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, 'version = 3\n[grpc]\nadress = "/a"\n')
    with pytest.raises(ConfigError, match=rf'^{path}:3: grpc.adress: unknown key \(did you mean "address"\?\)$'):
        load(path)


def test_grpc_must_be_a_table(tmp_path: Path) -> None:
    path = write(tmp_path, "version = 3\ngrpc = 5\n")
    with pytest.raises(ConfigError, match=f"^{path}:2: grpc: expected a table, found the number 5$"):
        load(path)


@pytest.mark.parametrize("table", ["grpc", "ttrpc", "metrics"])
def test_version_4_names_the_plugin_that_replaces_a_table(tmp_path: Path, table: str) -> None:
    path = write(tmp_path, f'version = 4\n[{table}]\naddress = "/a"\n[debug]\nlevel = 5\n')
    with pytest.raises(ConfigError) as caught:
        load(path)
    moved, level = str(caught.value).split("\n")
    place = f'[plugins."io.containerd.server.v1.{table}"]'
    assert moved == f"{path}:2: {table}: unknown key: since version 4 it is {place}"
    assert ":5: debug.level: expected" in level


def test_version_4_names_the_plugin_that_replaces_a_setting_of_debug(tmp_path: Path) -> None:
    path = write(tmp_path, 'version = 4\n[debug]\naddress = "/a"\nlevel = "info"\n')
    place = 'address in [plugins."io.containerd.server.v1.debug"]'
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:3: debug.address: unknown key: since version 4 it is {place}"


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("text", "plugins"),
    [
        (
            '[grpc]\ntcp_address = "h:1"\ntcp_tls_ca = "/ca"\nuid = 0\nmax_recv_message_size = 5\n',
            {
                "io.containerd.server.v1.grpc-tcp": {
                    "address": "h:1",
                    "tls_ca": "/ca",
                    "max_recv_message_size": 5,
                },
                GRPC_SERVER: {"max_recv_message_size": 5},
            },
        ),
        ('[grpc]\ntcp_address = ""\ntcp_tls_ca = "/ca"\n', {}),
        ('[ttrpc]\naddress = "/t"\nuid = 0\n', {"io.containerd.server.v1.ttrpc": {"address": "/t", "uid": 0}}),
        ("[ttrpc]\ngid = 3\nuid = 0\n", {"io.containerd.server.v1.ttrpc": {"gid": 3}}),
        (
            '[metrics]\naddress = "h:2"\ngrpc_histogram = true\n',
            {
                "io.containerd.server.v1.metrics": {"address": "h:2"},
                "io.containerd.metrics.v1.grpc-prometheus": {"grpc_histogram": True},
            },
        ),
        ('[metrics]\naddress = ""\ngrpc_histogram = false\n', {}),
        (
            '[debug]\naddress = "/d"\nuid = 0\ngid = 0\n',
            {"io.containerd.server.v1.debug": {"address": "/d", "uid": 0, "gid": 0}},
        ),
        ('[debug]\naddress = ""\nuid = 7\nlevel = ""\nformat = ""\n', {}),
    ],
)
def test_settings_of_servers_become_tables_of_plugins(
    tmp_path: Path, version: int, text: str, plugins: dict[str, Any]
) -> None:
    assert load(write(tmp_path, f"version = {version}\n{text}")).plugins == plugins


def test_debug_settings_of_the_host_stay(tmp_path: Path) -> None:
    path = write(tmp_path, 'version = 2\n[debug]\naddress = "/d"\nlevel = "warn"\n')
    config = load(path)
    assert config.host.debug.level == "warn"
    assert config.origin("debug.level") == Origin(str(path), 4)
    assert config.origin('plugins."io.containerd.server.v1.debug".address') == Origin(str(path), 3)


def test_a_missing_server_is_reported_with_the_name_in_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'version = 2\n[grpc]\ntcp_address = "h:1"\n[ttrpc]\nuid = 5\n')
    _, warnings = load(path).decode_plugins({GRPC_SERVER: Listener})
    assert warnings == [
        f"{path}:{line}: {table}: partly not used: it is now part of "
        f"io.containerd.server.v1.{server}, which is not installed"
        for line, table, server in [(2, "grpc", "grpc-tcp"), (4, "ttrpc", "ttrpc")]
    ]


@attrs.frozen
class Disk:
    path: str = ""
    size: int = 0
    label: str = ""


OLD, NEW = "io.x.v1.old", "io.x.v1.new"


def rename(version: int, plugins: dict[str, dict[str, Any]]) -> None:
    """The table had another name up to version 2, and a key of it up to version 3."""
    if version == 2 and OLD in plugins:
        plugins[NEW] = plugins.pop(OLD)
    if "bytes" in plugins.get(NEW, {}):
        plugins[NEW]["size"] = plugins[NEW].pop("bytes")


def test_a_plugins_own_migration_is_called_for_each_step(tmp_path: Path) -> None:
    calls: list[tuple[int, dict[str, Any]]] = []

    def migration(version: int, plugins: dict[str, Any]) -> None:
        calls.append((version, dict(plugins)))

    path = write(tmp_path, 'version = 2\nimports = ["3.toml", "4.toml"]\n[grpc]\naddress = "/a"\n[plugins.x.y]\n')
    write(tmp_path, "version = 3\n", "3.toml")
    write(tmp_path, "version = 4\n[plugins.z]\n", "4.toml")
    load(path).with_migrations({"io.x.v1.x": migration})
    assert calls == [(2, {"x": {"y": {}}}), (3, {"x": {"y": {}}, GRPC_SERVER: {"address": "/a"}})]


def test_without_a_plugins_table_no_migration_is_called(tmp_path: Path) -> None:
    config = load(write(tmp_path, "version = 2\n"))
    assert config.with_migrations({NEW: lambda version, plugins: plugins.clear()}).failed_migrations == {}


def test_a_renamed_key_is_reported_with_the_name_in_the_file(tmp_path: Path) -> None:
    text = f'version = 2\n[plugins."{OLD}"]\nlabel = 5\nbytes = "big"\n'
    path = write(tmp_path, text)
    config = load(path).with_migrations({NEW: rename})
    assert config.plugins == {NEW: {"label": 5, "size": "big"}}
    assert config.origin(f'plugins."{NEW}".size') == Origin(str(path), 4)
    with pytest.raises(ConfigError) as caught:
        config.decode_plugins({NEW: Disk})
    assert str(caught.value).split("\n") == [
        f'{path}:3: plugins."{OLD}".label: expected a string, found the number 5',
        f'{path}:4: plugins."{OLD}".bytes: expected a whole number, found the string "big"',
    ]


def test_a_migration_that_splits_a_table_keeps_the_lines_of_its_keys(tmp_path: Path) -> None:
    def split(version: int, plugins: dict[str, Any]) -> None:
        if "one" in plugins:
            plugins["two"] = {"b": plugins["one"].pop("b"), "c": {"d": plugins["one"].pop("d")}}

    path = write(tmp_path, "version = 3\n[plugins.one]\na = 1\nb = 2\nd = [3]\n")
    config = load(path).with_migrations({"two": split})
    assert config.plugins == {"one": {"a": 1}, "two": {"b": 2, "c": {"d": [3]}}}
    assert [config.origin(f"plugins.{key}") for key in ("one.a", "two.b", "two.c.d")] == [
        Origin(str(path), line) for line in (3, 4, 5)
    ]


@pytest.mark.parametrize("wrong", ["raises", "leaves no table"])
def test_a_migration_that_fails_changes_nothing_and_leaves_its_plugin_out(tmp_path: Path, wrong: str) -> None:
    def migration(version: int, plugins: dict[str, Any]) -> None:
        plugins[NEW] = 5
        if wrong == "raises":
            raise RuntimeError("in pieces")

    path = write(tmp_path, f'version = 3\n[plugins."{NEW}"]\nsize = "x"\n[plugins."{OLD}"]\n')
    config = load(path).with_migrations({NEW: migration, OLD: rename})
    assert config.plugins == {NEW: {"size": "x"}, OLD: {}}
    assert [*config.failed_migrations] == [NEW]
    left = f'left the number 5 at plugins."{NEW}": expected a table'
    assert str(config.failed_migrations[NEW]) in {
        "migrate its configuration from version 3: RuntimeError: in pieces",
        f"migrate its configuration from version 3: TypeError: {left}",
    }
    assert config.decode_plugins({NEW: Disk, OLD: Disk}) == ({OLD: Disk()}, [])


def test_migrations_and_overrides_may_come_in_any_order(tmp_path: Path) -> None:
    config = load(write(tmp_path, f'version = 2\n[plugins."{OLD}"]\nbytes = 1\n'))
    first = config.with_migrations({NEW: rename}).with_overrides(root="/r", address="/a")
    last = config.with_overrides(root="/r", address="/a").with_migrations({NEW: rename})
    assert first.host == last.host
    assert first.plugins == {NEW: {"size": 1}, GRPC_SERVER: {"address": "/a"}}
