"""`lamina serve` with the built-in plugins."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.client import Client
from lamina.plugin import PluginType
from tests.support.directories import short_directory
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture
def serving(directory: Path) -> Iterator[Host]:
    with serve(directory) as serving:
        yield serving.wait_ready()


@contextlib.contextmanager
def serve(directory: Path, *arguments: str, **options: Any) -> Iterator[Host]:
    """A host that this machine's own configuration file does not concern."""
    with Host(directory, arguments=arguments, **options).launched() as host:
        yield host


def test_when_it_is_ready_every_built_in_plugin_works_and_the_socket_answers(serving: Host) -> None:
    with Client(str(serving.state / "lamina.sock"), timeout=120) as client:
        plugins = client.plugins()
    assert {plugin.type for plugin in plugins} >= {
        PluginType.METASTORE, PluginType.SNAPSHOTTER, PluginType.SERVICE, PluginType.GRPC, PluginType.SERVER,
    }  # fmt: skip
    may_skip = {"btrfs", "metrics"}  # not on btrfs; no address is set
    assert [plugin.id for plugin in plugins if plugin.status != "ok" and plugin.id not in may_skip] == []
    assert f"ctr -a {serving.state}/lamina.sock snapshots --snapshotter lamina ls" in serving.stdout
    assert f"  lamina containerd-config -a {serving.state}/lamina.sock\n" in serving.stdout


def test_after_sigterm_the_socket_is_gone(serving: Host) -> None:
    assert serving.stop() == 0
    assert not (serving.state / "lamina.sock").exists()


def test_it_starts_again_after_sigkill(serving: Host) -> None:
    address = str(serving.state / "lamina.sock")
    with Client(address, timeout=120) as client:
        client.snapshotter("overlayfs").prepare("mine")
    serving.send(signal.SIGKILL).wait()
    with serve(serving.directory) as again:
        again.wait_ready()
        with Client(address, timeout=120) as client:
            assert client.snapshotter("overlayfs").stat("mine").name == "mine"
        assert again.stop() == 0


def test_a_second_host_does_not_take_the_socket_of_the_first(serving: Host) -> None:
    address = str(serving.state / "lamina.sock")
    with short_directory() as elsewhere, serve(elsewhere, "--address", address) as second:
        assert second.wait() == 1
        message = second.stderr.splitlines()[-1]
    assert message.startswith("lamina: start io.containerd.server.v1.grpc: address in use: ")
    assert f"process {serving.pid}" in message
    with Client(address, timeout=120) as client:
        assert client.healthy()


def test_an_address_too_long_for_a_socket_is_refused(directory: Path) -> None:
    with serve(directory, "--address", f"{directory}/{'x' * 100}") as serving:
        assert serving.wait() == 1
        assert "104 bytes" in serving.stderr.splitlines()[-1]


def test_another_user_cannot_replace_the_state_directory(directory: Path) -> None:
    """A user without XDG_RUNTIME_DIR has the state directory in /tmp, where others could make it first."""
    (directory / "state").mkdir()
    os.chown(directory / "state", 12345, 12345)
    directory.chmod(0o1777)
    user = ("setpriv", "--reuid=23456", "--regid=23456", "--clear-groups")
    if subprocess.run(
        [*user, sys.executable, "-c", "import lamina.host"], check=False, capture_output=True
    ).returncode:
        pytest.skip("other users cannot read this checkout")
    with serve(directory, prefix=user) as serving:
        assert serving.wait() == 1
        assert f"{directory}/state belongs to user 12345" in serving.stderr.splitlines()[-1]
