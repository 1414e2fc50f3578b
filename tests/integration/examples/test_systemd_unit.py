"""The systemd unit is valid, and a host works under its settings."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.errdefs import Error
from lamina.host._process import _EXIT_SECONDS, _GIVE_UP_SECONDS
from lamina.host._reload import _TIMEOUTS
from lamina.mount import temporary_mount
from lamina.plugin import PluginType
from lamina.snapshots import Snapshotter
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.processes.hosts import Host
from tests.support.processes.systemd_units import Unit
from tests.support.snapshotters.btrfs import mounted_btrfs

FILE = Path(__file__).parents[3] / "examples/systemd/lamina.service"
UNIT = Unit(FILE)

pytestmark = pytest.mark.requires("root", "overlay", "btrfs", "systemd-analyze")


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@contextlib.contextmanager
def served(
    directory: Path, config: str = "", prefix: tuple[str, ...] = (), environment: dict[str, str] | None = None
) -> Iterator[Host]:
    """Run a host and wait until it is ready."""
    with Host(directory, config, prefix=prefix, environment=environment).launched() as host:
        yield host.wait_ready()


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    program = UNIT["ExecStart"].split()[0]
    unit = tmp_path / FILE.name
    unit.write_text(FILE.read_text().replace(program, str(Path(sys.executable).with_name("lamina"))))
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""


def test_timeouts_of_systemd_exceed_those_of_lamina() -> None:
    start, stop, watchdog = (int(UNIT[name]) for name in ("TimeoutStartSec", "TimeoutStopSec", "WatchdogSec"))
    assert start > _TIMEOUTS["init"] + _TIMEOUTS["start"]
    assert stop > _GIVE_UP_SECONDS + _EXIT_SECONDS
    assert stop > _TIMEOUTS["reconfigure"] + 3 * _TIMEOUTS["close"] + _EXIT_SECONDS
    assert watchdog > _TIMEOUTS["reconfigure"]


def test_the_service_manager_is_notified_of_every_step_in_order(directory: Path) -> None:
    with served(directory, environment={"WATCHDOG_USEC": "50000"}) as serving:
        serving.wait_for("WATCHDOG=1")
        run(*UNIT["ExecReload"].replace("$MAINPID", str(serving.pid)).split())
        serving.wait_for("RELOADING=1")
        serving.notifications.append("X_RELOADING=1")
        del serving.notifications[:-1]
        serving.wait_ready().send(signal.SIGTERM).wait_for("STOPPING=1")
        steps = [one for one in serving.notifications if one != "WATCHDOG=1"]
        assert serving.wait() == 0
    assert steps == ["X_RELOADING=1", "READY=1\nSTATUS=Serving", "STOPPING=1\nSTATUS=Closing plugins"]


def test_its_directories_have_the_modes_that_lamina_sets(directory: Path) -> None:
    with served(directory) as serving:
        modes = {path.name: f"{stat.S_IMODE(path.stat().st_mode):04o}" for path in (serving.root, serving.state)}
        assert serving.stop() == 0
    assert modes == {"root": UNIT["StateDirectoryMode"], "state": UNIT["RuntimeDirectoryMode"]}


# The sandbox

Cycle = Callable[[list[str]], None]
OUTSIDE = {"overlayfs": ["only-remap-ids", "rebase", "remap-ids"], "native": [], "btrfs": []}
"""The snapshotters and their capabilities outside the sandbox."""


def fill(root: Path) -> None:
    """Create files of all types whose copying or removal requires privileges."""
    (root / "private").mkdir()
    (root / "private/file").write_text("of somebody else")
    (root / "setuid").write_text("#!/bin/sh")
    (root / "capable").write_text("#!/bin/sh")
    os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.symlink("nowhere", root / "link")
    for path in ("private/file", "private", "setuid", "link"):
        os.chown(root / path, 1234, 5678, follow_symlinks=False)
    (root / "private").chmod(0o700)
    (root / "private/file").chmod(0o600)
    (root / "setuid").chmod(0o6755)
    # struct vfs_cap_data, revision 2, with CAP_NET_RAW (linux/capability.h), as for ping.
    os.setxattr(root / "capable", "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    os.setxattr(root / "private", "trusted.lamina", b"kept")
    os.utime(root / "private/file", (1, 1))


def described(root: Path) -> dict[str, object]:
    """Return the metadata that `fill` sets, by path."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        names = os.listxattr(path, follow_symlinks=False)
        attributes = {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
        attributes = {name: value for name, value in attributes.items() if not name.startswith("trusted.overlay.")}
        when = status.st_mtime if stat.S_ISREG(status.st_mode) else None
        found[str(path.relative_to(root))] = (
            *(status.st_mode, status.st_uid, status.st_gid, status.st_rdev),
            *(when, attributes),
        )
    return found


def use(snapshotter: Snapshotter) -> None:
    """Create, fill, commit and remove a snapshot, and compare the tree of a child."""
    with temporary_mount(snapshotter.prepare("work")) as root:
        fill(Path(root))
        filled = described(Path(root))
    assert snapshotter.usage("work").inodes > len(filled)
    snapshotter.commit("layer", "work")
    with temporary_mount(snapshotter.prepare("next", "layer")) as root:
        assert described(Path(root)) == filled
        (Path(root) / "more").touch()
    with temporary_mount(snapshotter.view("view", "layer")) as root:
        assert described(Path(root)) == filled
    for key in ("view", "next", "layer"):
        snapshotter.remove(key)
    snapshotter.cleanup()


@pytest.fixture
def cycle(directory: Path) -> Iterator[Cycle]:
    """Return a function that runs a host in the sandbox and uses all three snapshotters."""
    with mounted_btrfs(directory) as btrfs:
        root_path = f'[plugins."{PluginType.SNAPSHOTTER}.btrfs"]\nroot_path = "{btrfs}/root"\n'

        def cycle(capabilities: list[str]) -> None:
            with (
                served(directory, root_path, UNIT.sandbox(capabilities)) as serving,
                Client(f"{serving.state}/lamina.sock", timeout=120) as client,
            ):
                check_sandbox(serving.pid, len(capabilities))
                plugins = {plugin.id: plugin for plugin in client.plugins(f"type=={PluginType.SNAPSHOTTER}")}
                assert {id_: plugin.init_error for id_, plugin in plugins.items()} == dict.fromkeys(plugins)
                assert {id_: sorted(plugin.capabilities) for id_, plugin in plugins.items()} == OUTSIDE
                for id_ in OUTSIDE:
                    use(client.snapshotter(f"lamina-{id_}"))
                assert trash(serving.root, btrfs) == []
                assert serving.stop() == 0

        yield cycle


def check_sandbox(pid: int, capabilities: int) -> None:
    """Check that a process is confined as configured."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert int(status["CapEff"], 16).bit_count() == int(status["CapBnd"], 16).bit_count() == capabilities
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    mounts = Path(f"/proc/{pid}/mounts").read_text()
    for path in ("/usr", "/etc", "/sys"):
        assert re.search(rf" {path} \S+ ro[, ]", mounts)


def trash(*roots: Path) -> list[str]:
    """List removed data that could not be deleted."""
    return [str(found) for root in roots for trash in root.glob("**/trash") for found in trash.iterdir()]


def test_every_snapshotter_works_in_the_sandbox(cycle: Cycle) -> None:
    cycle(UNIT.capabilities)


@pytest.mark.parametrize("capability", UNIT.capabilities)
def test_every_capability_of_the_unit_is_required(cycle: Cycle, capability: str) -> None:
    with pytest.raises((AssertionError, Error, OSError)):
        cycle([name for name in UNIT.capabilities if name != capability])
