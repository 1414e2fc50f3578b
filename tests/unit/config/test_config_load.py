"""A file and all that it imports are read, and everything that is wrong is told at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lamina.config import Debug, Duration, HostConfig, Origin, Problem, from_document, load
from lamina.errdefs import ConfigError

NO_VERSION = 'version: expected 2, 3 or 4, found nothing: add "version = 4" before the first table'
NO_LEVEL = (
    'debug.level: expected one of "trace", "debug", "info", "warn", "error", "fatal", "panic",'
    ' found the string "loud"'
)
Write = Callable[[str, str], Path]


def problems_of(path: Path | str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [str(problem) for problem in caught.value.problems] == str(caught.value).split("\n")
    return str(caught.value).split("\n")


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


def test_all_problems_of_all_files_are_told_by_file_and_line(write: Write, tmp_path: Path) -> None:
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


def test_a_problem_has_its_parts_apart(write: Write) -> None:
    path = write("config.toml", "version = 4\n\ntemp = 1\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.problems == (
        Problem(str(path), "temp", 3, "the number 1", expected="a string", nearest=None),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f" {NO_VERSION}"),
        (
            "version = 1\n[grpc]\nx = 1",
            (
                "1: version: expected 2, 3 or 4, found 1: its short names of plugins are not read: "
                "write their URIs, and version = 2"
            ),
        ),
        ("\nversion = 5", "2: version: expected 2, 3 or 4, found 5: the file is for a newer lamina"),
        ('version = "4"', '1: version: expected 2, 3 or 4, found the string "4"'),
        ("version = true", "1: version: expected 2, 3 or 4, found true"),
        ("version = 4.0", "1: version: expected 2, 3 or 4, found the number 4.0"),
    ],
)
def test_the_version_must_be_one_that_is_read(write: Write, text: str, problem: str) -> None:
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
def test_a_wrong_top_level_is_told(write: Write, text: str, problem: str) -> None:
    path = write("config.toml", f"version = 4\n{text}\n")
    assert any(f": {problem}" in line for line in problems_of(path))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert problems_of(path) == [f"{path}: cannot be read: No such file or directory"]


def test_a_directory_is_an_error(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'version = 4\nroot = "\xff"\n')
    assert problems_of(path) == [f"{path}:2: not UTF-8 text: invalid start byte"]


def test_a_byte_order_mark_begins_a_file_as_if_it_were_not_there(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'\xef\xbb\xbfversion = 4\nroot = "/a"\nstate = 5\n')
    assert problems_of(path) == [f"{path}:3: state: expected a string, found the number 5"]
    path.write_bytes(b'\xef\xbb\xbfversion = 4\nroot = "/a"\n')
    assert load(path).host.root == "/a"


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("aversion=4[]{}\"'.,#\n\\ 0_1", max_size=40) | st.binary(max_size=20))
@example("version = 4\nroot = " + "[" * 399 + "]" * 399)
@example("version = 4\nroot = " + "[" * 5000)
@example("version = 4\nroot = " + "9" * 5000)
def test_whatever_a_file_holds_is_read_or_refused(tmp_path: Path, content: str | bytes) -> None:
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


def test_relative_imports_are_taken_from_the_importing_files_directory(write: Write) -> None:
    path = write("config.toml", 'version = 4\nimports = ["sub/a.toml"]\n')
    write("sub/a.toml", 'version = 4\nimports = ["b.toml"]\n')
    write("sub/b.toml", 'version = 4\ntemp = "/from/b"\n')
    assert load(path).host.temp == "/from/b"


def test_a_pattern_is_read_in_the_order_of_names_and_may_match_nothing(write: Write, tmp_path: Path) -> None:
    pattern = "conf[[]1].d/[0-9]?-*.toml"
    path = write("config.toml", f'version = 4\ntemp = "/main"\nimports = ["none/*.toml", "{pattern}"]\n')
    write("conf[1].d/20-b.toml", 'version = 4\ntemp = "/b"\n')
    write("conf[1].d/10-a.toml", 'version = 4\ntemp = "/a"\n')
    write("conf[1].d/99-c.txt", "not read")
    assert load(path).host.temp == "/b"
    write("conf[1].d/30-c.toml", f'version = 4\ntemp = "/c"\nimports = ["{tmp_path}/conf[[]1].d/*"]\n')
    assert problems_of(path) == [
        f"{tmp_path}/conf[1].d/99-c.txt:1:5: Expected '=' after a key in a key/value pair"
    ]


def test_special_characters_in_the_importing_files_own_directory_are_no_pattern(write: Write) -> None:
    path = write("[a]*/config.toml", 'version = 4\nimports = ["*.d.toml"]\n')
    write("[a]*/x.d.toml", 'version = 4\ntemp = "/x"\n')
    assert load(path).host.temp == "/x"


def test_imports_are_read_breadth_first_and_later_ones_override(write: Write) -> None:
    path = write("config.toml", 'version = 4\nimports = ["a.toml", "b.toml"]\ntemp = "/main"\n')
    write("a.toml", 'version = 4\nimports = ["c.toml"]\ntemp = "/a"\ndisabled_distributions = ["a"]\n')
    write("b.toml", 'version = 4\ntemp = "/b"\ndisabled_distributions = ["b"]\n')
    write("c.toml", 'version = 4\ntemp = "/c"\ndisabled_distributions = ["c"]\n')
    config = load(path)
    assert config.host.temp == "/c"
    assert config.host.disabled_distributions == ["a", "b", "c"]
    assert config.host.imports == ["a.toml", "b.toml", "c.toml"]


def test_files_that_import_each_other_are_read_once(write: Write, tmp_path: Path) -> None:
    path = write("config.toml", 'version = 4\nimports = ["./a.toml", "link/a.toml"]\ntemp = "/main"\n')
    write("a.toml", 'version = 4\nimports = ["config.toml", "a.toml", "link/config.toml"]\ntemp = "/a"\n')
    (tmp_path / "link").symlink_to(tmp_path)
    assert load(path).host.temp == "/a"


def test_a_relative_root_is_made_absolute(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("config.toml", 'version = 4\nroot = "data/../root"\n')
    config = load("config.toml")
    assert config.host.root == f"{tmp_path}/root"
    assert config.host.temp == ""
    assert config.file == Path("config.toml")


def test_the_default_file_is_read_where_it_exists(
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


def test_a_program_may_have_a_dict_instead_of_a_file() -> None:
    tables = {"root": "/r", "plugins": {"io.x.v1.y": {"names": ["a"]}}}
    config = from_document(tables)
    assert config.host.root == "/r"
    assert config.host.version == 4
    assert config.file is None
    assert config.origin("root") == Origin("configuration given as a mapping", None)
    tables["plugins"]["io.x.v1.y"]["names"].append("b")  # type: ignore[index]
    assert config.plugins["io.x.v1.y"] == {"names": ["a"]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the default file, of a user other than root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/u")
    return tmp_path / "lamina"


def test_drop_ins_are_read_after_the_default_file_and_what_it_imports(write: Write, home: Path) -> None:
    write("lamina/config.toml", 'version = 4\nimports = ["a.toml"]\ntemp = "/main"\nroot = "/main"\n')
    write("lamina/a.toml", 'version = 4\ntemp = "/a"\nroot = "/a"\n')
    write("lamina/conf.d/10.toml", 'version = 4\ntemp = "/10"\n')
    write("lamina/conf.d/9.toml", 'version = 4\ntemp = "/9"\n[debug]\nlevel = "warn"\n')
    config = load()
    assert (config.host.root, config.host.temp, config.host.debug.level) == ("/a", "/9", "warn")
    assert config.host.imports == ["a.toml"]
    assert config.origin("temp") == Origin(f"{home}/conf.d/9.toml", 2)


def test_drop_ins_need_no_default_file(write: Write, home: Path) -> None:
    path = write("lamina/conf.d/a.toml", 'version = 4\ntemp = "/a"\n')
    config = load()
    assert (config.host.temp, config.file) == ("/a", None)
    assert config.origin("temp") == Origin(str(path), 2)


def test_drop_ins_are_not_read_beside_a_file_that_was_named(write: Write, home: Path) -> None:
    path = write("lamina/config.toml", "version = 4\n")
    write("lamina/conf.d/a.toml", "nonsense")
    assert load(path).host == HostConfig()


def test_drop_ins_that_the_file_imports_itself_are_read_once(write: Write, home: Path) -> None:
    write("lamina/config.toml", f'version = 4\nimports = ["{home}/conf.d/*.toml", "b.toml"]\n')
    write("lamina/conf.d/a.toml", 'version = 4\ntemp = "/a"\n')
    write("lamina/b.toml", 'version = 4\ntemp = "/b"\n')
    config = load()
    assert config.host.temp == "/b"
    assert config.host.imports == [f"{home}/conf.d/*.toml", "b.toml"]


def test_a_drop_in_that_cannot_be_read_is_told_by_its_path(write: Write, home: Path) -> None:
    (home / "conf.d" / "a.toml").mkdir(parents=True)
    with pytest.raises(ConfigError, match=f"^{home}/conf.d/a.toml: cannot be read: Is a directory$"):
        load()


@attrs.frozen
class Listener:
    uid: int = 0


LISTENER = "io.containerd.server.v1.grpc"


def deferred(path: Path) -> list[str]:
    """The problems that are told when the listener's table is decoded."""
    config = load(path, defer=True)
    with pytest.raises(ConfigError) as caught:
        config.decode_plugins({LISTENER: Listener})
    return str(caught.value).split("\n")


def test_deferred_problems_of_the_top_level_are_told_with_those_of_plugins_tables(write: Write) -> None:
    path = write(
        "config.toml", f'version = 4\nrot = 1\n[debug]\nlevel = "loud"\n[plugins."{LISTENER}"]\nuid = "x"\n'
    )
    assert deferred(path) == [
        f'{path}:2: rot: unknown key (did you mean "root"?)',
        f"{path}:4: {NO_LEVEL}",
        f'{path}:6: plugins."{LISTENER}".uid: expected a whole number, found the string "x"',
    ]


def test_deferred_problems_of_version_3_are_told_with_those_of_the_moved_table(write: Write) -> None:
    path = write("config.toml", 'version = 3\n[grpc]\nuid = "x"\nfoo = 1\n')
    assert deferred(path) == [
        f'{path}:3: grpc.uid: expected a whole number, found the string "x"',
        f"{path}:4: grpc.foo: unknown key",
    ]


def test_a_flag_may_mend_a_deferred_problem(write: Write) -> None:
    path = write("config.toml", 'version = 4\n[debug]\nlevel = "loud"\n')
    config = load(path, defer=True).with_overrides(log_level="warn")
    assert config.host.debug.level == "warn"
    assert config.decode_plugins({LISTENER: Listener}) == ({LISTENER: Listener()}, [])


@pytest.mark.parametrize("defer", [True, False])
@pytest.mark.parametrize(
    "wrong",
    ["disabled_distributions = 5", "disabled_plugins = [5]", 'imports = ["absent.toml"]', "plugins.y = 5"],
)
def test_what_says_which_plugins_there_are_is_not_deferred_and_plugins_tables_are_told_to_wait(
    write: Write, defer: bool, wrong: str
) -> None:
    path = write("config.toml", f"version = 4\n{wrong}\nplugins.x.y = 1\n")
    with pytest.raises(ConfigError, match=r"plugins: not looked at until the rest is in order"):
        load(path, defer=defer)


def test_settings_of_an_unknown_version_are_not_deferred(write: Write) -> None:
    path = write("config.toml", 'version = 5\ndisabled_distributions = ["x"]\n')
    with pytest.raises(ConfigError, match="newer lamina"):
        load(path, defer=True)


def test_a_program_may_give_what_is_as_good_as_what_toml_has() -> None:
    plugins = MappingProxyType({"io.x.v1.y": {}})
    config = from_document({"root": Path("/r"), "disabled_plugins": ("io.x.v1.y",), "plugins": plugins})
    assert (config.host.root, config.host.disabled_plugins) == ("/r", ["io.x.v1.y"])
    assert config.plugins == {"io.x.v1.y": {}}


def test_a_wrong_dict_is_told_as_what_it_is() -> None:
    with pytest.raises(ConfigError, match=r"^configuration given as a mapping: rot: unknown key \(did you mean"):
        from_document({"rot": 1})


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9_" * 5000 + "9", "[1, " + "9" * 5000 + "]"])
def test_a_number_of_more_digits_than_python_reads_is_told_with_its_line(write: Write, number: str) -> None:
    path = write("config.toml", f"version = 4\n[plugins.x]\nsize = {number}\n")
    assert problems_of(path) == [f"{path}:3: a whole number of more than 4300 digits"]
