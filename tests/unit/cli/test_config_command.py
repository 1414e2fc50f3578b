"""`lamina config`, and what the command itself imports."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import tomli

from lamina.config import load
from tests.support.commands import imported
from tests.support.processes.config_commands import LISTENER, OVERLAY, WRONG, complaints, printed, run


def install(directory: Path, text: str) -> None:
    """Install a package with a plugin module."""
    info = directory / "disk-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: disk\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[lamina.plugins]\nmain = disk_for_test\n")
    (directory / "disk_for_test.py").write_text(text)


DISK = """\
import attrs
from lamina.plugin import Registration, hookimpl

@attrs.frozen
class Disk:
    size: int = 0
    \"\"\"Bytes.\"\"\"

def migrate(version, plugins):
    table = plugins.get("com.example.disk.v1.x", {})
    if "bytes" in table:
        table["size"] = table.pop("bytes")

@hookimpl
def lamina_register():
    return [Registration(type="com.example.disk.v1", id="x", config=Disk, init=lambda ic: 1, migrate=migrate)]
"""
OLD_DISK = 'version = 3\n[plugins."com.example.disk.v1.x"]\n# many\nbytes = 5 # five\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_config_default_prints_a_file_that_can_be_loaded(tmp_path: Path) -> None:
    done = run("config", "default")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n")
    (tmp_path / "config.toml").write_text(done.stdout)
    config = load(tmp_path / "config.toml")
    assert "io.containerd.snapshotter.v1.overlayfs" in config.plugins


def test_config_default_reports_packages_that_fail_to_load(tmp_path: Path) -> None:
    info = tmp_path / "torn-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torn\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[lamina.plugins]\nup = torn_apart_by_test\n")
    (tmp_path / "torn_apart_by_test.py").write_text("raise RuntimeError('in pieces')\n")
    done = run("config", "default", path=str(tmp_path))
    assert done.returncode == 0
    assert "[debug]" in done.stdout
    assert done.stderr == ("lamina: io.lamina.entry-point.v1.torn:up was not loaded: RuntimeError: in pieces\n")


@pytest.mark.parametrize(
    "arguments",
    [("default",), ("dump",), ("check",), ("explain",), ("schema",), ("check", "--containerd", "/dev/null")],
)
def test_config_imports_nothing_that_only_serving_or_rewriting_needs(arguments: tuple[str, ...]) -> None:
    assert not imported("config", *arguments) & {"grpc", "rich", "tomlkit", "jsonschema"}


def test_config_migrate_imports_no_grpc(path: Path) -> None:
    path.write_text("version = 3\n")
    assert imported("config", "migrate", str(path)) & {"grpc", "rich", "tomlkit"} == {"tomlkit"}


def test_dump_prints_a_file_that_loads_as_the_same(path: Path) -> None:
    path.write_text('version = 3\nimports = ["b.toml"]\n[grpc]\naddress = "/a"\n')
    path.with_name("b.toml").write_text('version = 4\nroot = "/b"\n')
    text = printed("config", "dump", "-c", path, LAMINA_STATE="/s")
    tables = tomli.loads(text)
    assert (tables["root"], tables["state"], tables["plugins"][LISTENER]["address"]) == ("/b", "/s", "/a")
    path.write_text(text)
    assert printed("config", "dump", "-c", path) == text
    assert json.loads(printed("config", "dump", "-c", path, "--json")) == tables


def test_the_file_can_be_an_option_which_overrides_the_environment(path: Path) -> None:
    path.write_text("version = 4\n")
    assert printed("config", "check", "-c", path, LAMINA_CONFIG="/nowhere") == f"{path}: valid\n"
    assert printed("config", "migrate", "--config", path) == "version = 4\n"
    assert "given twice" in run("config", "check", "-c", path, path).stderr


def test_serve_reads_the_same_environment(path: Path) -> None:
    path.write_text("version = 4\nrot = 1\n")
    told = complaints("serve", LAMINA_CONFIG=str(path), LAMINA_LOG_LEVEL="loud")
    assert sorted(line.split(": ")[1] for line in told) == [f"{path}:2", "LAMINA_LOG_LEVEL"]


def test_explain_shows_origin_and_meaning_of_a_setting(path: Path) -> None:
    path.write_text('version = 4\n\n[debug]\nlevel = "warn"\n')
    assert (
        printed("config", "explain", "debug.level", "-c", path)
        == f"""\
debug.level = "warn"
  The least severe level logged: trace, debug, info, warn, error, fatal or panic.
  set by   {path}:4
  default  "info"
  type     one of "trace", "debug", "info", "warn", "error", "fatal", "panic"
"""
    )
    text = printed("config", "explain", "debug.level", "-c", path, LAMINA_LOG_LEVEL="error")
    assert "set by   LAMINA_LOG_LEVEL\n" in text
    text = printed("config", "explain", "debug.level", "-c", path, "-l", "trace", LAMINA_LOG_LEVEL="error")
    assert "set by   --log-level\n" in text


def test_explain_shows_each_setting_of_a_table(path: Path) -> None:
    path.write_text('version = 4\ndebug.level = "warn"\n')
    assert (
        printed("config", "explain", "debug", "-c", path)
        == f"""\
debug
  The level and format of the log.

debug.level = "warn"
  The least severe level logged: trace, debug, info, warn, error, fatal or panic.
  set by   {path}:2
  default  "info"
  type     one of "trace", "debug", "info", "warn", "error", "fatal", "panic"

debug.format = "text"
  The format of log lines: text or json.
  set by   nothing: this is the default
  default  "text"
  type     one of "text", "json"
"""
    )


def test_explain_prints_json(path: Path) -> None:
    path.write_text('version = 4\ndebug.level = "warn"\n')
    found = json.loads(printed("config", "explain", "debug", "-c", path, "--json"))
    assert (found["Key"], found["Value"]) == ("debug", {"level": "warn", "format": "text"})
    assert found["Parts"][0]["SetBy"] == {"Name": str(path), "Line": 2}
    assert found["Parts"][1] == {
        "Key": "debug.format",
        "Value": "text",
        "Default": "text",
        "SetBy": None,
        "Type": 'one of "text", "json"',
        "Meaning": "The format of log lines: text or json.",
        "Parts": [],
    }


def test_explain_suggests_the_nearest_key(path: Path) -> None:
    path.write_text("version = 4\n")
    assert complaints("config", "explain", f"{OVERLAY}.sync_remve", "-c", path) == [
        f'lamina: plugins."{OVERLAY}".sync_remve: there is no such setting (did you mean "sync_remove"?)'
    ]


def test_the_schema_accepts_the_default_configuration() -> None:
    schema = json.loads(printed("config", "schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(tomli.loads(printed("config", "default")))
    assert not validator.is_valid(tomli.loads(WRONG))


def test_the_settings_of_an_installed_package_are_known_to_all_commands(tmp_path: Path, path: Path) -> None:
    install(tmp_path, DISK)
    path.write_text(OLD_DISK)
    options = {"path": str(tmp_path)}
    schema = json.loads(printed("config", "schema", **options))
    assert schema["properties"]["plugins"]["properties"]["com.example.disk.v1.x"]["properties"]["size"] == {
        "type": "integer",
        "description": "Bytes.",
        "default": 0,
    }
    assert "\n# Bytes.\nsize = 0\n" in printed("config", "default", **options)
    assert '\n[plugins."com.example.disk.v1.x"]\nsize = 5\n' in printed("config", "dump", "-c", path, **options)
    assert f"set by   {path}:4\n" in printed(
        "config", "explain", "com.example.disk.v1.x.size", "-c", path, **options
    )
    assert printed("config", "check", path, **options) == f"{path}: valid\n"
    assert printed("config", "migrate", path, **options) == OLD_DISK.replace("3", "4").replace("bytes", "size")


def test_a_package_whose_migration_fails_is_left_out(tmp_path: Path, path: Path) -> None:
    install(tmp_path, DISK.replace('    if "bytes"', '    raise RuntimeError("torn")\n    if "bytes"'))
    path.write_text(OLD_DISK)
    done = run("config", "check", path, path=tmp_path)
    why = "migrate its configuration from version 3: RuntimeError: torn"
    assert (done.returncode, done.stdout) == (0, f"{path}: valid\n")
    assert done.stderr == f"lamina: com.example.disk.v1.x was not loaded: {why}\n"
    assert complaints("config", "migrate", path, path=str(tmp_path)) == [f"lamina: {why}"]


def test_migrate_in_place_replaces_the_file(path: Path) -> None:
    path.write_text('version = 2 # old\nimports = ["b.toml"]\n# here\n[grpc]\naddress = "/a"\n')
    path.with_name("b.toml").write_text("version = 3\n")
    path.chmod(0o640)
    done = run("config", "migrate", path, "--in-place")
    assert (done.returncode, done.stdout) == (0, f"{path}: migrated\n")
    assert done.stderr == f"lamina: warning: {path.with_name('b.toml')} is also of version 3\n"
    assert path.read_text() == (
        f'version = 4 # old\nimports = ["b.toml"]\n# here\n[plugins."{LISTENER}"]\naddress = "/a"\n'
    )
    assert path.stat().st_mode & 0o777 == 0o640
    path.with_name("b.toml").write_text("version = 4\n")
    assert printed("config", "migrate", path, "--in-place") == f"{path}: already current\n"


def test_migrate_does_not_change_an_invalid_file(path: Path) -> None:
    path.write_text("version = 3\n[grpc]\nadress = 1\n")
    (line,) = complaints("config", "migrate", "--in-place", path)
    assert line == f'lamina: {path}:3: grpc.adress: unknown key (did you mean "address"?)'
    assert path.read_text() == "version = 3\n[grpc]\nadress = 1\n"
