"""A file and its imports are read, and all problems are reported together."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lamina.config import Debug, Duration, HostConfig, Origin, Problem, from_document, load
from lamina.errdefs import ConfigError
from tests.support.plugins.configuration_files import NO_LEVEL, Write, problems_of
from tests.support.rounds import rounds

NO_VERSION = 'version: expected 2, 3 or 4, found nothing: add "version = 4" before the first table'


def test_every_top_level_key_is_read(write: Write) -> None:
    path = write(
        "config.toml",
        """\
version = 4
root = "/srv/data"
state = "/srv/../run/state"
temp = "/srv/temp"
imports = []
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs"]
required_plugins = ["io.lamina.metastore.v1.lmdb"]
disabled_distributions = ["lamina-extra"]

[timeouts]
"io.containerd.timeout.bolt.open" = "1m30s"

[debug]
level = "debug"
format = "json"

[plugins."io.containerd.snapshotter.v1.overlayfs"]
sync_remove = true
""",
    )
    config = load(path)
    assert config.file == path
    assert config.warnings == ()
    assert config.plugins == {"io.containerd.snapshotter.v1.overlayfs": {"sync_remove": True}}
    assert config.host == HostConfig(
        version=4,
        root="/srv/data",
        state="/run/state",
        temp="/srv/temp",
        imports=[],
        disabled_plugins=["io.containerd.snapshotter.v1.btrfs"],
        required_plugins=["io.lamina.metastore.v1.lmdb"],
        disabled_distributions=["lamina-extra"],
        timeouts={"io.containerd.timeout.bolt.open": Duration(90)},
        debug=Debug(level="debug", format="json"),
        plugins={"io.containerd.snapshotter.v1.overlayfs": {"sync_remove": True}},
    )


def test_all_problems_of_all_files_are_reported_with_file_and_line(write: Write, tmp_path: Path) -> None:
    path = write(
        "config.toml",
        """\
version = 4
rot = "/x"
disabled_plugins = ["overlayfs"]
imports = ["missing.toml", "syntax.toml", "sub/*.toml"]
state = 5
proxy_plugin = {}

[debug]
level = "loud"

[timeouts]
"a.b" = "5"
""",
    )
    write("syntax.toml", "version = 4\n[debug\n")
    write("sub/a.toml", "version = 4\n[timeouts]\nx = 1\n")
    write("sub/b.toml", '[debug]\nformat = "xml"\n')
    assert problems_of(path) == [
        f'{path}:2: rot: unknown key (did you mean "root"?)',
        f"{path}:4: imports[0]: {tmp_path}/missing.toml: No such file or directory",
        f"{path}:5: state: expected a string, found the number 5",
        f'{path}:6: proxy_plugin: unknown key (did you mean "proxy_plugins"?)',
        f"{path}:9: {NO_LEVEL}",
        f'{path}:12: timeouts."a.b": duration "5": expected numbers with units, such as "1m30s" or "100ms"',
        f"{tmp_path}/syntax.toml:2:7: Expected ']' at the end of a table declaration",
        f"{tmp_path}/sub/b.toml: {NO_VERSION}",
        f'{tmp_path}/sub/b.toml:2: debug.format: expected one of "text", "json", found the string "xml"',
        f'{tmp_path}/sub/a.toml:3: timeouts.x: expected a duration such as "1m30s", found the number 1',
    ]


def test_a_problem_has_separate_fields(write: Write) -> None:
    path = write("config.toml", "version = 4\n\ntemp = 1\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert problem == Problem(str(path), "temp", 3, "the number 1", expected="a string")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f" {NO_VERSION}"),
        (
            "version = 1\n[grpc]\nx = 1",
            (
                "1: version: expected 2, 3 or 4, found 1: its short names of plugins are not supported: "
                "write their URIs, and version = 2"
            ),
        ),
        ("\nversion = 5", "2: version: expected 2, 3 or 4, found 5: the file is for a newer lamina"),
        ('version = "4"', '1: version: expected 2, 3 or 4, found the string "4"'),
        ("version = true", "1: version: expected 2, 3 or 4, found true"),
        ("version = 4.0", "1: version: expected 2, 3 or 4, found the number 4.0"),
    ],
)
def test_the_version_must_be_supported(write: Write, text: str, problem: str) -> None:
    path = write("config.toml", text)
    assert problems_of(path) == [f"{path}:{problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("plugins = 5", "plugins: expected a table, found the number 5"),
        ("plugins.x = 5", "plugins.x: expected a table, found the number 5"),
        ("debug = []", "debug: expected a table, found an array of 0"),
        ('imports = "x.toml"', 'imports: expected an array, found the string "x.toml"'),
        ('imports = ["/dev/null", 5]', "imports[1]: expected a string, found the number 5"),
        ('root = ""', "root: root must be specified"),
        ('state = ""', "state: state must be specified"),
        ('root = "/a"\nstate = "/b/../a/"', "state: root and state must be different paths, both are /a"),
        ('root = "/a\\u0000"', "root: a path cannot contain a NUL"),
    ],
)
def test_a_wrong_top_level_is_reported(write: Write, text: str, problem: str) -> None:
    path = write("config.toml", f"version = 4\n{text}\n")
    assert any(f": {problem}" in line for line in problems_of(path))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert problems_of(path) == [f"{path}: cannot be read: No such file or directory"]


def test_a_directory_is_an_error(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_invalid_utf_8_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'version = 4\nroot = "\xff"\n')
    assert problems_of(path) == [f"{path}:2: not UTF-8 text: invalid start byte"]


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'\xef\xbb\xbfversion = 4\nroot = "/a"\nstate = 5\n')
    assert problems_of(path) == [f"{path}:3: state: expected a string, found the number 5"]
    path.write_bytes(b'\xef\xbb\xbfversion = 4\nroot = "/a"\n')
    assert load(path).host.root == "/a"


@settings(max_examples=rounds(60, 10_000))
@given(st.text("aversion=4[]{}\"'.,#\n\\ 0_1", max_size=40) | st.binary(max_size=20))
@example("version = 4\nroot = " + "[" * 399 + "]" * 399)
@example("version = 4\nroot = " + "[" * 5000)
@example("version = 4\nroot = " + "9" * 5000)
def test_any_file_is_read_or_refused(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refusal = refusal_of(path)
    assert refusal is None or (refusal.problems and str(refusal).startswith(f"{path}:"))


def refusal_of(path: Path) -> ConfigError | None:
    try:
        load(path)
    except ConfigError as error:
        return error
    return None


def test_a_relative_root_is_made_absolute(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("config.toml", 'version = 4\nroot = "data/../root"\n')
    config = load("config.toml")
    assert config.host.root == f"{tmp_path}/root"
    assert config.host.temp == ""
    assert config.file == Path("config.toml")


def test_the_default_file_is_read_if_it_exists(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(ConfigError, match="root and state must be different"):
        load()
    path = write("lamina/config.toml", 'version = 4\nstate = "/state"\n')
    config = load()
    assert config.file == path
    assert config.host.root == f"{tmp_path}/lamina"


def test_a_negative_timeout_is_refused(write: Write) -> None:
    path = write("c.toml", 'version = 4\n[timeouts]\n"io.x" = "-5s"\n')
    message = f"^{path}:2: timeouts: io.x: expected a duration that is not negative, found -5s$"
    with pytest.raises(ConfigError, match=message):
        load(path)


def test_a_program_may_pass_a_dict_instead_of_a_file() -> None:
    tables = {"root": "/r", "plugins": {"io.x.v1.y": {"names": ["a"]}}}
    config = from_document(tables)
    assert config.host.root == "/r"
    assert config.host.version == 4
    assert config.file is None
    assert config.origin("root") == Origin("configuration given as a mapping", None)
    tables["plugins"]["io.x.v1.y"]["names"].append("b")
    assert config.plugins["io.x.v1.y"] == {"names": ["a"]}


def test_a_program_may_pass_equivalents_of_toml_values() -> None:
    plugins = MappingProxyType({"io.x.v1.y": {}})
    config = from_document({"root": Path("/r"), "disabled_plugins": ("io.x.v1.y",), "plugins": plugins})
    assert (config.host.root, config.host.disabled_plugins) == ("/r", ["io.x.v1.y"])
    assert config.plugins == {"io.x.v1.y": {}}


def test_a_problem_in_a_dict_is_reported_as_such() -> None:
    with pytest.raises(ConfigError, match=r"^configuration given as a mapping: rot: unknown key \(did you mean"):
        from_document({"rot": 1})


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9_" * 5000 + "9", "[1, " + "9" * 5000 + "]"])
def test_a_number_with_too_many_digits_is_reported_with_its_line(write: Write, number: str) -> None:
    path = write("config.toml", f"version = 4\n[plugins.x]\nsize = {number}\n")
    assert problems_of(path) == [f"{path}:3: a whole number of more than 4300 digits"]
