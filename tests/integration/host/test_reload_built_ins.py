"""SIGHUP, sent to a real host with the built-in plugins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lamina.errdefs import InvalidArgument
from lamina.plugin import PluginType
from tests.support.commands import CommandFailed
from tests.support.directories import short_directory
from tests.support.processes.diagnoses import diagnose
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay")

SNAPSHOTS = f"{PluginType.GRPC}.snapshots"


@pytest.fixture
def host() -> Iterator[Host]:
    with short_directory() as directory, Host(directory / "host").running() as host:
        yield host


def aliases(**names: str) -> str:
    lines = [f'{alias} = "{target}"' for alias, target in names.items()]
    return "\n".join([f'[plugins."{SNAPSHOTS}".aliases]', *lines, ""])


def test_a_new_alias_answers_and_a_removed_one_does_not_until_restored(host: Host) -> None:
    with host.client() as client:
        client.snapshotter("lamina").prepare("key")
        host.configure(aliases(fast="native"))
        host.reload()
        client.snapshotter("fast").prepare("another")
        assert [info.name for info in client.snapshotter("fast").walk()] == ["another"]
        with pytest.raises(InvalidArgument, match="snapshotter not loaded: lamina "):
            client.snapshotter("lamina").stat("key")
        host.configure(aliases(lamina="overlayfs"))
        host.reload()
        assert client.snapshotter("lamina").stat("key").name == "key"


def test_printed_client_settings_follow_the_aliases(host: Host) -> None:
    def exports() -> str:
        with host.client() as client:
            (plugin,) = client.plugins(f"type=={PluginType.GRPC},id==snapshots")
            return plugin.exports["snapshotter"]

    assert exports() == "lamina"
    host.configure(aliases(mine="overlayfs"))
    host.reload()
    assert exports() == "mine"


def test_an_alias_of_an_unknown_snapshotter_is_reported_by_host_and_commands(
    host: Host,
) -> None:
    config = f'[plugins."{SNAPSHOTS}".aliases]\nlamina = "overlay"\n'
    host.configure(config)
    host.reload()
    assert host.stderr.count("plugin io.containerd.snapshotter.v1.overlay is not installed") == 1
    host.stop()
    host.start()
    assert host.stderr.count("plugin io.containerd.snapshotter.v1.overlay is not installed") == 2
    nowhere = "'overlay', a snapshotter that the host does not have: did you mean overlayfs?"
    assert f"# lamina is left out: it is an alias of {nowhere}\n" in host.lamina("containerd-config")
    with pytest.raises(CommandFailed, match="'lamina' is an alias of 'overlay', a snapshotter that the host does"):
        host.lamina("containerd-config", "lamina")
    (finding,) = diagnose("-c", host.file).of("configuration", "files")[1:]
    assert (finding["Status"], "snapshotter.v1.overlay is not installed" in finding["Found"]) == ("warning", True)


def test_a_reload_changes_the_log_level(host: Host) -> None:
    host.configure('[debug]\nlevel = "debug"\nformat = "json"\n')
    host.reload()
    assert '"msg": "reloaded configuration", "changed": "debug.level, debug.format"' in host.stderr


def test_each_key_that_needs_a_restart_is_reported(host: Host) -> None:
    overlay = f"{PluginType.SNAPSHOTTER}.overlayfs"
    host.configure(f'temp = "/nowhere"\n[plugins."{overlay}"]\nsync_fs = false\nsync_remove = true\n')
    host.reload()
    told = [line for line in host.stderr.splitlines() if "requires a restart of lamina" in line]
    assert [line.partition("key=")[2].replace('\\"', '"').strip('"') for line in told] == [
        "temp",
        f'plugins."{overlay}".sync_remove',
        f'plugins."{overlay}".sync_fs',
    ]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("[debug]\nlevel = 5\n" + aliases(fast="native"), "debug.level: expected one of"),
        (aliases(fast="native") + "wrong = 5\n", "expected a string, found the number 5"),
        (aliases(fast="native", btrfs="native"), "btrfs is the id of another snapshotter"),
        ("[", "config.toml:4"),
    ],
)
def test_an_invalid_file_changes_nothing_and_is_reported(host: Host, config: str, reason: str) -> None:
    host.configure(config)
    host.reload()
    assert reason in host.stderr
    with host.client() as client:
        assert list(client.snapshotter("lamina").walk()) == []
        with pytest.raises(InvalidArgument, match="snapshotter not loaded: fast "):
            client.snapshotter("fast").stat("key")
