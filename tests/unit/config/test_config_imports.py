"""Imports and drop-ins: which files are read, and in which order."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lamina.config import HostConfig, Origin, load
from lamina.errdefs import ConfigError
from tests.support.plugins.configuration_files import Write, problems_of


def test_relative_imports_are_resolved_in_the_importing_files_directory(write: Write) -> None:
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


def test_special_characters_in_the_importing_files_directory_are_literal(write: Write) -> None:
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


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the default file, of a user other than root."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/u")
    return tmp_path / "lamina"


def test_drop_ins_are_read_after_the_default_file_and_its_imports(write: Write, home: Path) -> None:
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


def test_drop_ins_are_not_read_with_a_named_file(write: Write, home: Path) -> None:
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


def test_an_unreadable_drop_in_is_reported_with_its_path(write: Write, home: Path) -> None:
    (home / "conf.d" / "a.toml").mkdir(parents=True)
    with pytest.raises(ConfigError, match=f"^{home}/conf.d/a.toml: cannot be read: Is a directory$"):
        load()


def test_a_fifo_without_a_writer_is_an_empty_file(write: Write, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    path = write("main.toml", 'version = 4\nimports = ["fifo"]\n')
    with pytest.raises(ConfigError, match=f"^{tmp_path}/fifo: version: expected 2, 3 or 4, found nothing"):
        load(path)


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    writing = threading.Thread(target=(tmp_path / "fifo").write_text, args=('version = 4\nroot = "/a"\n',))
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)  # so that the other end can be opened
    try:
        writing.start()
        writing.join()
        assert load(f"/dev/fd/{reading}").host.root == "/a"
    finally:
        os.close(reading)


def test_an_import_with_a_nul_is_reported_with_its_line(write: Write) -> None:
    path = write("main.toml", 'version = 4\nimports = ["a\\u0000"]\n')
    with pytest.raises(ConfigError, match=f"^{path}:2: imports: a path cannot contain a NUL$"):
        load(path)
