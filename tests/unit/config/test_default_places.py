"""The default paths of lamina."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.config import HostConfig, default_config_path, default_root, default_state, from_document, load
from lamina.errdefs import ConfigError

XDG = {"XDG_DATA_HOME": "/d", "XDG_RUNTIME_DIR": "/r", "XDG_CONFIG_HOME": "/c", "HOME": "/home/u"}


def places(environ: dict[str, str], uid: int) -> tuple[str, str, Path]:
    return default_root(environ, uid), default_state(environ, uid), default_config_path(environ, uid)


def test_root_uses_the_systems_directories() -> None:
    assert places(XDG, 0) == ("/var/lib/lamina", "/run/lamina", Path("/etc/lamina/config.toml"))


def test_other_users_have_xdg_directories() -> None:
    assert places(XDG, 1000) == ("/d/lamina", "/r/lamina", Path("/c/lamina/config.toml"))


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_empty_and_relative_xdg_variables_do_not_count(value: str) -> None:
    environ = dict.fromkeys(XDG, value) | {"HOME": "/home/u"}
    assert places(environ, 1000) == (
        "/home/u/.local/share/lamina",
        "/tmp/lamina-1000",
        Path("/home/u/.config/lamina/config.toml"),
    )


def test_without_a_home_directory_the_remedy_is_named() -> None:
    with pytest.raises(ConfigError, match="set HOME"):
        default_root({}, 1000)


def test_a_default_that_cannot_be_determined_is_a_problem_of_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    path.write_text("version = 4\n")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    with pytest.raises(ConfigError, match=f"^{path}: root: no home directory"):
        load(path)


def test_an_inaccessible_default_file_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    # A name that is too long, because root can enter every directory.
    directory = "/" + "x" * 300
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", directory)
    with pytest.raises(ConfigError, match=rf"^{directory}/lamina/config\.toml: cannot be read: "):
        load()


@pytest.mark.parametrize("directory", ["absent", "file"])
def test_without_a_default_file_the_defaults_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / directory))
    assert load().file is None


def test_the_top_level_uses_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    host = HostConfig()
    assert (host.root, host.state, host.temp) == ("/var/lib/lamina", "/run/lamina", "")


def test_another_program_has_its_own_default_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for name, value in XDG.items():
        monkeypatch.setenv(name, f"{tmp_path}{value}")
    (tmp_path / "c/greeter/conf.d").mkdir(parents=True)
    (tmp_path / "c/greeter/config.toml").write_text('version = 4\nstate = "/s"\n')
    (tmp_path / "c/greeter/conf.d/x.toml").write_text('version = 4\ntemp = "/t"\n')
    config = load(program="greeter")
    assert (config.program, config.file) == ("greeter", tmp_path / "c/greeter/config.toml")
    assert (config.host.root, config.host.state, config.host.temp) == (f"{tmp_path}/d/greeter", "/s", "/t")


def test_a_missing_home_directory_names_the_other_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for name in XDG:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="for greeter's files"):
        from_document({"state": "/s"}, program="greeter")
    assert from_document({"root": "/r", "state": "/s"}, program="greeter").host.root == "/r"
