"""The built-in plugins in a program's own process."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from lamina.errdefs import FailedPrecondition, LockHeld, Unavailable
from lamina.host import Host
from lamina.mount import temporary_mount
from lamina.plugin import SERVING_TYPES, PluginType
from lamina.snapshots import Snapshotter
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.processes.hosts import Host as Daemon

pytestmark = pytest.mark.requires("root", "overlay")

NOT_NEEDED = ("grpc", "pygrpc_native", "google.protobuf", "lamina.api", "lamina.client", "click", "rich")

CYCLE = """
import json, os, sys
from pathlib import Path

not_needed, blocked = json.loads(sys.argv[2]), sys.argv[3] == "blocked"
if blocked:
    sys.modules.update(dict.fromkeys(not_needed))  # importing them raises ImportError

from lamina.host import Host
from lamina.mount import temporary_mount
from lamina.plugin import PluginType

with Host.from_config({"root": f"{sys.argv[1]}/root", "state": f"{sys.argv[1]}/state"}) as host:
    for name in ("overlayfs", "native"):
        snapshotter = host.get(PluginType.SNAPSHOTTER, name)
        with temporary_mount(snapshotter.prepare("making base")) as root:
            (Path(root) / "file").write_text(name)
        snapshotter.commit("base", "making base")
        with temporary_mount(snapshotter.prepare("sandbox", "base")) as root:
            print((Path(root) / "file").read_text())
        snapshotter.remove("sandbox")
        snapshotter.remove("base")
    descriptors = (f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd"))
    print([target for target in map(os.path.realpath, descriptors) if "socket:" in target])
print([name for name in not_needed if sys.modules.get(name)])
"""

TOUCHED = """
import logging, os, signal, sys, tempfile, threading

def process():
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    log = logging.root.handlers[:], logging.root.level, logging.getLogger("lamina").handlers[:]
    return handlers, log, dict(os.environ), tempfile.tempdir, threading.excepthook, sys.unraisablehook, os.getcwd()

from lamina.host import Host
from lamina.plugin import PluginType

before = process()
paths = {"root": f"{sys.argv[1]}/root", "state": f"{sys.argv[1]}/state", "temp": f"{sys.argv[1]}/temp"}
with Host.from_config(paths) as host:
    host.get(PluginType.SNAPSHOTTER, "overlayfs").prepare("a")
    assert process() == before
assert process() == before
print(sorted(os.listdir(sys.argv[1])))
"""

ENVIRONMENT = {
    "LAMINA_ROOT": "/proc/nowhere",
    "LAMINA_STATE": "/proc/nowhere",
    "LAMINA_ADDRESS": "/proc/nowhere",
    "LAMINA_CONFIG": "/proc/nowhere",
    "LAMINA_LOG_LEVEL": "nonsense",
}
"""Environment variables that would fail a daemon, and that an embedded host ignores."""


def settings(directory: Path, **more: Any) -> dict[str, Any]:
    return {"root": directory / "root", "state": directory / "state", **more}


def write(snapshotter: Snapshotter, text: str) -> None:
    """Commit a tree with a file."""
    with temporary_mount(snapshotter.prepare("making base")) as root:
        (Path(root) / "file").write_text(text)
    snapshotter.commit("base", "making base")


def read(snapshotter: Snapshotter) -> str:
    """The content of that file."""
    with temporary_mount(snapshotter.prepare("sandbox", "base")) as root:
        text = (Path(root) / "file").read_text()
    snapshotter.remove("sandbox")
    return text


@pytest.mark.parametrize("imports", ["free", "blocked"])
def test_snapshots_need_neither_a_socket_nor_server_modules(tmp_path: Path, imports: str) -> None:
    printed = run(sys.executable, "-c", CYCLE, tmp_path, json.dumps(NOT_NEEDED), imports)
    assert printed == "overlayfs\nnative\n[]\n[]\n"
    assert os.listdir(tmp_path / "state") == ["io.lamina.metastore.v1.lmdb"]


def test_the_process_is_not_changed(tmp_path: Path) -> None:
    """No signal handler, logging, environment variable or temporary directory is changed; no LAMINA_* is read."""
    printed = run(sys.executable, "-c", TOUCHED, tmp_path, env=ENVIRONMENT)
    assert printed == "['root', 'state', 'temp']\n"


def test_a_configuration_file_works_like_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'version = 4\nroot = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n')
    with Host.from_config(file) as host:
        write(host.get(PluginType.SNAPSHOTTER, "overlayfs"), "from a file")
    with Host.from_config(settings(tmp_path)) as host:
        assert read(host.get(PluginType.SNAPSHOTTER, "overlayfs")) == "from a file"


def test_a_program_can_use_the_configuration_of_a_daemon(tmp_path: Path) -> None:
    """Also where it requires, and sets up, what the program leaves out."""
    listener = f"{PluginType.SERVER}.grpc"
    config = settings(
        tmp_path,
        required_plugins=[listener, f"{PluginType.GRPC}.snapshots", f"{PluginType.SNAPSHOTTER}.overlayfs"],
        plugins={listener: {"address": f"{tmp_path}/lamina.sock"}},
    )
    with Host.from_config(config) as host:
        assert not {plugin.type for plugin in host.plugins} & SERVING_TYPES
        assert host.address == ""
    assert not (tmp_path / "lamina.sock").exists()


def test_a_daemon_serves_the_snapshots_of_an_embedded_host() -> None:
    with short_directory() as directory:
        daemon = Daemon(directory / "host")
        with Host.from_config(settings(daemon.directory)) as host:
            write(host.get(PluginType.SNAPSHOTTER, "overlayfs"), "kept")
        with daemon.running(), daemon.client() as client:
            assert read(client.snapshotter("overlayfs")) == "kept"


def test_two_hosts_in_one_process_are_independent(tmp_path: Path) -> None:
    one, two = settings(tmp_path / "one"), settings(tmp_path / "two")
    with Host.from_config(one) as first, Host.from_config(two) as second:
        snapshotters = [host.get(PluginType.SNAPSHOTTER, "overlayfs") for host in (first, second)]
        for text, snapshotter in zip(("one", "two"), snapshotters, strict=True):
            write(snapshotter, text)
        assert [read(snapshotter) for snapshotter in snapshotters] == ["one", "two"]


def test_a_second_host_on_the_same_root_in_one_process_is_refused(tmp_path: Path) -> None:
    with Host.from_config(settings(tmp_path)) as host:
        with pytest.raises(
            LockHeld, match=rf"by process {os.getpid()}, which is this one; close the other holder"
        ):
            Host.from_config(settings(tmp_path)).start()
        assert host.get(PluginType.SNAPSHOTTER, "overlayfs")


def test_an_exception_in_the_block_closes_everything(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Host.from_config(settings(tmp_path)):
        raise ZeroDivisionError
    with Host.from_config(settings(tmp_path)) as host:
        assert host.get(PluginType.SNAPSHOTTER, "overlayfs")


def test_calls_after_the_block_fail(tmp_path: Path) -> None:
    with Host.from_config(settings(tmp_path)) as host:
        snapshotter = host.get(PluginType.SNAPSHOTTER, "overlayfs")
    with pytest.raises(Unavailable, match=r"metastore .* is closed"):
        snapshotter.prepare("late")
    with pytest.raises(FailedPrecondition, match="the host is not running"):
        host.get(PluginType.SNAPSHOTTER, "overlayfs")
    with pytest.raises(FailedPrecondition, match="create another one"):
        host.start()
