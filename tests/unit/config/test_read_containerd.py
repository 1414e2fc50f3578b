"""containerd's own configuration is read and explained."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from lamina.config import GRPC_SERVER
from lamina.config.describing import ContainerdConfig, Use, read_containerd
from lamina.errdefs import ConfigError
from lamina.plugin import discover

OVERLAY = "io.containerd.snapshotter.v1.overlayfs"
VERSION = "io.containerd.grpc.v1.version"


@attrs.frozen
class Overlay:
    root_path: str = ""
    upperdir_label: bool = False


@attrs.frozen
class Listener:
    address: str = ""
    uid: int = -1


def read(tmp_path: Path, text: str) -> ContainerdConfig:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return read_containerd(
        str(path),
        {OVERLAY: Overlay, GRPC_SERVER: Listener, VERSION: None},
        {name: one.config for name, one in discover().registry.proxy_types.items()},
        address=f"{tmp_path}/lamina.sock",
        names={"lamina": "snapshotter overlayfs"},
    )


def told(config: ContainerdConfig) -> list[tuple[Use, int | None, str, str]]:
    return [(one.use, one.line, one.key, one.note) for one in config.settings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('root = "/var/lib/containerd"', (Use.OWN, "root", "")),
        ('temp = ""', (Use.NONE, "temp", "not set")),
        ("oom_score = 5", (Use.NONE, "oom_score", "lamina has no such setting")),
        (f'disabled_plugins = ["{OVERLAY}"]', (Use.SAME, "disabled_plugins[0]", "")),
        ('required_plugins = ["io.x.v1.y"]', (Use.NONE, "required_plugins[0]", "lamina has no such plugin")),
        (
            '[timeouts]\n"io.lamina.timeout.plugin.close" = "5s"',
            (Use.SAME, 'timeouts."io.lamina.timeout.plugin.close"', ""),
        ),
        ('[timeouts]\nx = "5s"', (Use.NONE, "timeouts.x", "lamina has no such timeout")),
        ('[debug]\nlevel = "debug"', (Use.SAME, "debug.level", "")),
        ("[debug]\nlog_trace_id = true", (Use.NONE, "debug.log_trace_id", "unknown key")),
        ('[grpc]\naddress = "/run/containerd/containerd.sock"', (Use.OWN, "grpc.address", "")),
        ("[grpc]\nuid = 5", (Use.SAME, "grpc.uid", "")),
        ('[ttrpc]\naddress = "/t"', (Use.NONE, "ttrpc", "lamina has no such plugin")),
        (f'[plugins."{OVERLAY}"]\nroot_path = "/x"', (Use.OWN, f'plugins."{OVERLAY}".root_path', "")),
        (f'[plugins."{OVERLAY}"]\nroot_path = ""', (Use.SAME, f'plugins."{OVERLAY}".root_path', "")),
        (
            f'[plugins."{OVERLAY}"]\nupperdir_label = "no"',
            (Use.NONE, f'plugins."{OVERLAY}".upperdir_label', 'expected true or false, found the string "no"'),
        ),
        (
            f'[plugins."{OVERLAY}"]\nupperdir_labl = true',
            (Use.NONE, f'plugins."{OVERLAY}".upperdir_labl', 'unknown key (did you mean "upperdir_label"?)'),
        ),
        (f'[plugins."{VERSION}"]\nx = 1', (Use.NONE, f'plugins."{VERSION}"', "takes no configuration in lamina")),
        ('[plugins."io.x.v1.y"]\nx = 1', (Use.NONE, 'plugins."io.x.v1.y"', "lamina has no such plugin")),
        ('[proxy_plugins.far]\ntype = "snapshot"\naddress = "/far"', (Use.SAME, "proxy_plugins.far", "")),
        (
            '[proxy_plugins.far]\ntype = "diff"\naddress = "/far"',
            (
                Use.NONE,
                "proxy_plugins.far",
                'expected one of "snapshot", "io.containerd.snapshotter.v1", found the string "diff"',
            ),
        ),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
def test_the_meaning_of_each_setting_is_reported(
    tmp_path: Path, version: int, text: str, expected: tuple[Use, str, str]
) -> None:
    config = read(tmp_path, f"version = {version}\n{text}\n")
    assert config.version == version
    assert [(one.use, one.key, one.note) for one in config.settings] == [expected]


def test_a_proxy_plugin_of_lamina_is_reported_with_its_snapshotter(tmp_path: Path) -> None:
    tables = "".join(
        f'[proxy_plugins.{name}]\ntype = "snapshot"\naddress = "unix://{tmp_path}/./lamina.sock"\n'
        for name in ("lamina", "other")
    )
    assert told(read(tmp_path, f"version = 2\n{tables}")) == [
        (Use.HERE, 2, "proxy_plugins.lamina", "snapshotter overlayfs"),
        (Use.HERE, 5, "proxy_plugins.other", "lamina offers nothing of this name: add an alias"),
    ]


def test_a_plugin_behind_a_proxy_may_be_disabled(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        'version = 2\ndisabled_plugins = ["io.containerd.snapshotter.v1.far"]\n'
        '[proxy_plugins.far]\ntype = "snapshot"\naddress = "/far"\n',
    )
    assert [one.use for one in config.settings] == [Use.SAME, Use.SAME]


def test_imports_are_followed_and_unreadable_ones_reported(tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text("version = 3\n[grpc]\nuid = 7\n")
    config = read(tmp_path, 'version = 2\nimports = ["more.toml", "none.toml"]\n[grpc]\nuid = 5\n')
    assert config.files == (f"{tmp_path}/config.toml", f"{tmp_path}/more.toml")
    assert [(one.value, one.file, one.line) for one in config.settings] == [(7, f"{tmp_path}/more.toml", 3)]
    assert [str(problem) for problem in config.unread] == [
        f"{tmp_path}/config.toml:2: imports[1]: {tmp_path}/none.toml: No such file or directory"
    ]


@pytest.mark.parametrize("version", ["", "version = 1\n"])
def test_version_1_is_read_except_for_short_plugin_names(tmp_path: Path, version: str) -> None:
    config = read(tmp_path, f'{version}root = "/r"\n[plugins.overlayfs]\nroot_path = "/x"\n')
    assert config.version == 1
    assert [(one.use, one.key) for one in config.settings] == [(Use.OWN, "root"), (Use.NONE, "plugins.overlayfs")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 5", ":1: version: expected a number up to 4, found 5"),
        ('version = "2"', ":1: version: expected a number up to 4, found '2'"),
        ("version =", ":1:10: Invalid value"),
    ],
)
def test_an_unreadable_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/config.toml{message}"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: cannot be read: No such file or directory"):
        read_containerd(str(tmp_path / "none.toml"), {}, {}, address="", names={})
