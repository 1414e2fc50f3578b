"""Files of version 3 are read as if they had been written in version 4."""

from __future__ import annotations

from pathlib import Path

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


def test_a_listeners_table_that_is_there_wins_with_a_warning(tmp_path: Path) -> None:
    path = write(
        tmp_path, f'version = 3\n[grpc]\naddress = "/a"\nuid = 1\n[plugins."{GRPC_SERVER}"]\naddress = "/b"\n'
    )
    config = load(path)
    assert config.plugins == {GRPC_SERVER: {"address": "/b"}}
    assert config.warnings == (f'{path}:2: grpc: left out: the file also has plugins."{GRPC_SERVER}"',)


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


def test_a_problem_is_told_where_the_file_has_it(tmp_path: Path) -> None:
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


def test_version_4_has_no_grpc(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r":2: grpc: unknown key$"):
        load(write(tmp_path, "version = 4\n[grpc]\n"))
