"""Problems of the top level that are deferred and reported with those of plugins."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from lamina.config import load
from lamina.errdefs import ConfigError
from tests.support.plugins.configuration_files import NO_LEVEL, Write


@attrs.frozen
class Listener:
    uid: int = 0


LISTENER = "io.containerd.server.v1.grpc"


def deferred(path: Path) -> list[str]:
    """Return the problems that decoding the listener's table reports."""
    config = load(path, defer=True)
    with pytest.raises(ConfigError) as caught:
        config.decode_plugins({LISTENER: Listener})
    return str(caught.value).split("\n")


def test_deferred_problems_of_the_top_level_are_reported_with_those_of_plugins(write: Write) -> None:
    path = write(
        "config.toml", f'version = 4\nrot = 1\n[debug]\nlevel = "loud"\n[plugins."{LISTENER}"]\nuid = "x"\n'
    )
    assert deferred(path) == [
        f'{path}:2: rot: unknown key (did you mean "root"?)',
        f"{path}:4: {NO_LEVEL}",
        f'{path}:6: plugins."{LISTENER}".uid: expected a whole number, found the string "x"',
    ]


def test_deferred_problems_of_version_3_are_reported_with_those_of_the_moved_table(write: Write) -> None:
    path = write("config.toml", 'version = 3\n[grpc]\nuid = "x"\nfoo = 1\n')
    assert deferred(path) == [
        f'{path}:3: grpc.uid: expected a whole number, found the string "x"',
        f"{path}:4: grpc.foo: unknown key",
    ]


def test_a_flag_may_fix_a_deferred_problem(write: Write) -> None:
    path = write("config.toml", 'version = 4\n[debug]\nlevel = "loud"\n')
    config = load(path, defer=True).with_overrides(log_level="warn")
    assert config.host.debug.level == "warn"
    assert config.decode_plugins({LISTENER: Listener}) == ({LISTENER: Listener()}, [])


@pytest.mark.parametrize("defer", [True, False])
@pytest.mark.parametrize(
    "wrong",
    ["disabled_distributions = 5", "disabled_plugins = [5]", 'imports = ["absent.toml"]', "plugins.y = 5"],
)
def test_problems_of_plugin_selection_are_not_deferred(write: Write, defer: bool, wrong: str) -> None:
    path = write("config.toml", f"version = 4\n{wrong}\nplugins.x.y = 1\n")
    with pytest.raises(ConfigError, match=r"plugins: not checked until the other problems are fixed"):
        load(path, defer=defer)


def test_settings_of_an_unknown_version_are_not_deferred(write: Write) -> None:
    path = write("config.toml", 'version = 5\ndisabled_distributions = ["x"]\n')
    with pytest.raises(ConfigError, match="newer lamina"):
        load(path, defer=True)
