"""Plugins that lack space when the host starts are served once there is space, without a restart."""

from __future__ import annotations

import contextlib
import operator
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.errdefs import Unavailable
from lamina.plugin import PluginType
from tests.support.disks.full_disks import give_back, host_on, mounted, take_everything
from tests.support.processes.hosts import Host
from tests.support.snapshotters.btrfs import run
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.requires("root", "loop", "overlay")]

SECONDS = 60.0


@contextlib.contextmanager
def full_ext4(path: Path) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Yield a directory on a full disk, and a function that frees space."""
    with mounted(path, "ext4") as disk:
        (disk / "empty").mkdir(mode=0o700)
        take_everything(disk, "blocks")
        yield disk / "empty", lambda: give_back(disk)


@contextlib.contextmanager
def used_up_quota(path: Path) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Yield a btrfs subvolume with an exhausted quota, and a function that removes the quota."""
    with mounted(path, "btrfs") as disk:
        run("btrfs", "subvolume", "create", disk / "empty")
        run("chmod", "0700", disk / "empty")
        run("btrfs", "quota", "enable", disk)
        run("btrfs", "quota", "rescan", "-w", disk)
        run("btrfs", "qgroup", "limit", "1", disk / "empty")
        yield disk / "empty", lambda: run("btrfs", "quota", "disable", disk)


def statuses(host: Host) -> dict[str, tuple[str, bool]]:
    """Return the status of each plugin, and whether it is being retried."""
    with host.client() as client:
        return {plugin.id: (plugin.status, plugin.details.retrying) for plugin in client.plugins()}


@pytest.mark.parametrize(
    ("full", "late", "hurried"),
    [
        pytest.param(full_ext4, "native", False, marks=pytest.mark.requires("mkfs.ext4")),
        pytest.param(full_ext4, "overlayfs", True, marks=pytest.mark.requires("mkfs.ext4")),
        pytest.param(used_up_quota, "btrfs", True, marks=pytest.mark.requires("btrfs")),
    ],
)
def test_a_new_data_root_is_served_once_there_is_space(
    tmp_path: Path,
    full: Callable[[Path], contextlib.AbstractContextManager[tuple[Path, Callable[[], object]]]],
    late: str,
    *,
    hurried: bool,
) -> None:
    """Other snapshotters are served from the start. The late one gets all its names, with or without SIGHUP."""
    other = "overlayfs" if late == "native" else "native"
    with full(tmp_path) as (directory, make_space):
        config = f'[plugins."{PluginType.SNAPSHOTTER}.{late}"]\nroot_path = "{directory}/root"\n'
        with host_on(tmp_path / "root", config) as host, host.client() as client:
            assert statuses(host)[late] == ("failed", True)
            assert statuses(host)[other] == ("ok", False)
            client.snapshotter(other).prepare("early")
            for name in (late, f"lamina-{late}"):
                with pytest.raises(Unavailable, match=f"snapshotter not loaded: {name}: .*it is being retried"):
                    client.snapshotter(name).prepare("a")
            assert client.healthy()
            make_space()
            if hurried:
                host.reload()
            wait_until(lambda: statuses(host)[late] == ("ok", False), SECONDS, f"{late} works")
            for name in (late, f"lamina-{late}"):
                client.snapshotter(name).prepare("a")
                client.snapshotter(name).commit("b", "a")
                assert [info.name for info in client.snapshotter(name).walk()] == ["b"]
            wait_until(lambda: f"lamina-{late}" in host.lamina("containerd-config"), SECONDS, "it is exported")
            host.stop()
            host.start()
            assert [info.name for info in client.snapshotter(late).walk()] == ["b"]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("ext4", marks=pytest.mark.requires("mkfs.ext4")),
        pytest.param("xfs", marks=pytest.mark.requires("mkfs.xfs")),
        pytest.param("btrfs", marks=pytest.mark.requires("btrfs")),
    ],
)
def test_a_new_metastore_is_served_once_there_is_space(tmp_path: Path, kind: str) -> None:
    """Until then, every call fails with the reason, and the health check reports NOT_SERVING."""
    metastore = tmp_path / "root" / f"{PluginType.METASTORE}.lmdb"
    metastore.mkdir(parents=True, mode=0o700)
    names = ("lamina", "native", "overlayfs")
    with mounted(tmp_path, kind) as disk:
        (disk / "empty").mkdir(mode=0o700)
        take_everything(disk, "blocks")
        run("mount", "--bind", disk / "empty", metastore)
        with host_on(tmp_path / "root") as host, host.client() as client:
            found = statuses(host)
            # The metadata has the same id as the metastore that blocks it.
            assert {found[name] for name in ("lmdb", "native", "overlayfs")} == {("blocked", True)}
            assert {found[name] for name in ("snapshots-service", "snapshots", "metastore")} == {("ok", False)}
            assert not client.healthy()
            for name in names:
                with pytest.raises(Unavailable, match="it is being retried"):
                    list(client.snapshotter(name).walk())
            with pytest.raises(Unavailable, match="it is being retried"):
                list(client.copy_metastore())
            give_back(disk)
            host.reload()
            wait_until(lambda: statuses(host)["overlayfs"] == ("ok", False), SECONDS, "overlayfs works")
            assert client.healthy()
            for name in names:
                client.snapshotter(name).prepare("a")
            assert b"".join(client.copy_metastore())
            host.stop()
            host.start()
            assert [info.name for info in client.snapshotter("lamina").walk()] == ["a"]


@pytest.mark.requires("mkfs.ext4")
@pytest.mark.parametrize(
    "uri",
    [f"{PluginType.METASTORE}.lmdb", *(f"{PluginType.SNAPSHOTTER}.{name}" for name in ("native", "overlayfs"))],
)
def test_retries_leak_no_descriptors_or_threads(tmp_path: Path, uri: str, tell: Callable[[str], None]) -> None:
    """Their numbers are the same after many retries as after the first."""
    place = tmp_path / "root" / uri
    place.mkdir(parents=True, mode=0o700)
    with full_ext4(tmp_path) as (directory, _):
        run("mount", "--bind", directory, place)
        with host_on(tmp_path / "root", '[debug]\nlevel = "debug"\n') as host:

            def attempts() -> int:
                return host.stderr.count("plugin does not work yet")

            def try_again() -> None:
                before = attempts()
                host.reload()
                wait_until(lambda: attempts() > before, SECONDS, "it was tried again")

            def held() -> tuple[int, ...]:
                return tuple(len(os.listdir(f"/proc/{host.pid}/{what}")) for what in ("fd", "task"))

            assert statuses(host)[uri.rpartition(".")[2]] in {("failed", True), ("blocked", True)}
            try_again()
            first = held()
            for _ in range(20):
                try_again()
            tell(f"{attempts()} attempts of {uri}: descriptors and threads {first} to {held()}")
            wait_until(lambda: all(map(operator.le, held(), first)), SECONDS, "no more than at first")
