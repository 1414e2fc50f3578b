"""The environment overrides files, and flags override it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.config import Debug, Origin, from_document, load
from lamina.errdefs import ConfigError
from tests.support.plugins.configuration_files import NO_LEVEL, Write

LISTENER = "io.containerd.server.v1.grpc"


def test_flags_override_files(write: Write) -> None:
    path = write("config.toml", 'version = 4\nroot = "/r"\n[debug]\nlevel = "warn"\nformat = "json"\n')
    config = load(path).with_overrides(root="/other", state=Path("/s"), address="/a.sock", log_level="trace")
    assert (config.host.root, config.host.state) == ("/other", "/s")
    assert config.host.debug == Debug(level="trace", format="json")
    assert config.plugins == {"io.containerd.server.v1.grpc": {"address": "/a.sock"}}
    assert config.file == path
    assert config.origin("root") == Origin("--root", None)
    assert config.origin("debug.level") == Origin("--log-level", None)
    assert config.origin('plugins."io.containerd.server.v1.grpc".address') == Origin("--address", None)
    assert config.origin("debug.format") == Origin(str(path), 5)


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("x.sock", "{}/x.sock"),
        ("unix://x.sock", "{}/x.sock"),
        ("/a/../x.sock", "/x.sock"),
        ("", ""),
        ("tcp://x", "tcp://x"),
    ],
)
def test_a_relative_address_is_resolved_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, taken: str
) -> None:
    monkeypatch.chdir(tmp_path)
    config = from_document({}).with_overrides(address=address)
    assert config.plugins["io.containerd.server.v1.grpc"] == {"address": taken.format(tmp_path)}


def test_environment_variables_override_files_and_flags_override_them(write: Write) -> None:
    path = write("config.toml", 'version = 4\nroot = "/r"\nstate = "/s"\ntemp = "/t"\n')
    environment = {
        "LAMINA_ROOT": "/er",
        "LAMINA_STATE": "/es",
        "LAMINA_ADDRESS": "x.sock",
        "LAMINA_LOG_LEVEL": "warn",
    }
    config = load(path).with_overrides(environment, root="/fr")
    assert (config.host.root, config.host.state, config.host.temp) == ("/fr", "/es", "/t")
    assert config.plugins[LISTENER] == {"address": os.path.abspath("x.sock")}
    assert config.host.debug.level == "warn"
    assert config.origin("root") == Origin("--root", None)
    assert config.origin("state") == Origin("LAMINA_STATE", None)
    assert config.origin("temp") == Origin(str(path), 4)


def test_an_empty_environment_variable_counts_as_unset(write: Write) -> None:
    config = load(write("config.toml", 'version = 4\nroot = "/r"\n'))
    assert config.with_overrides({"LAMINA_ROOT": "", "LAMINA_STAGE": "/x"}).host == config.host


def test_a_flag_overrides_an_invalid_environment_variable(write: Write) -> None:
    config = load(write("config.toml", 'version = 4\nroot = "/r"\n'))
    assert config.with_overrides({"LAMINA_STATE": "/r"}, state="/s").host.state == "/s"


def test_a_wrong_environment_variable_is_reported_with_its_name(write: Write) -> None:
    config = load(write("config.toml", 'version = 4\nroot = "/r"\n'))
    with pytest.raises(ConfigError, match=r'^LAMINA_LOG_LEVEL: debug.level: expected one of .* "loud"$'):
        config.with_overrides({"LAMINA_LOG_LEVEL": "loud"})


def test_flags_not_given_change_nothing(write: Write) -> None:
    config = load(write("config.toml", 'version = 4\nroot = "/r"\n'))
    assert config.with_overrides().host == config.host


def test_a_directory_whose_name_is_not_utf_8_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^LAMINA_ROOT: root: /a\\xff is not valid UTF-8"):
        from_document({}).with_overrides({"LAMINA_ROOT": "/a\udcff"})


def test_a_wrong_flag_is_reported_with_its_name(write: Write) -> None:
    config = load(write("config.toml", 'version = 4\nroot = "/r"\n'))
    with pytest.raises(ConfigError) as caught:
        config.with_overrides(state="/r", log_level="loud")
    assert str(caught.value).split("\n") == [
        f"--log-level: {NO_LEVEL}",
        "--state: state: root and state must be different paths, both are /r",
    ]
    with pytest.raises(ConfigError, match=r"^--root: root: root must be specified$"):
        config.with_overrides(root="")


def test_another_program_reads_only_its_own_variables() -> None:
    config = from_document({"root": "/r", "state": "/s"}, program="my-greeter")
    environment = {"LAMINA_ROOT": "/lamina", "MY_GREETER_STATE": "/mine"}
    host = config.with_overrides(environment).host
    assert (host.root, host.state) == ("/r", "/mine")
