"""Hosts with their root on a read-only file system."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.errdefs import Error, FailedPrecondition
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.store import _handle as handle_module
from tests.support.disks.full_disks import host_on, mounted
from tests.support.processes.doctors import doctor
from tests.support.processes.hosts import Host
from tests.support.snapshotters.btrfs import run
from tests.support.snapshotters.native import open_native
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "loop", "overlay")

SECONDS = 60
KINDS = [
    pytest.param("ext4", marks=pytest.mark.requires("mkfs.ext4")),
    pytest.param("btrfs", marks=pytest.mark.requires("btrfs")),
]


def refused(call: Callable[[], object]) -> str:
    """Return the error message of a call that writes."""
    with pytest.raises(FailedPrecondition) as raised:
        call()
    return str(raised.value)


def fail(disk: Path) -> None:
    """Have ext4 turn a file system read-only, as it does after an error."""
    run("mount", "-o", "remount,errors=remount-ro", disk)
    device = Path(run("findmnt", "--raw", "-no", "SOURCE", disk)).name
    Path("/sys/fs/ext4", device, "trigger_fs_error").write_text("a test")


@pytest.mark.requires("mkfs.ext4")
def test_a_host_whose_file_system_an_error_made_read_only_starts_and_reads(tmp_path: Path) -> None:
    """Its fsync fails, unlike that of a file system that was mounted read-only."""
    with mounted(tmp_path, "ext4") as disk, host_on(disk / "root") as host, host.client() as client:
        snapshotter = client.snapshotter("overlayfs")
        snapshotter.prepare("a")
        host.stop()
        fail(disk)
        host.start()
        assert [info.name for info in snapshotter.walk()] == ["a"]
        assert snapshotter.mounts("a")
        with pytest.raises(Error, match=r"(?i)read-only file system"):
            snapshotter.prepare("b")


def is_serving(host: Host) -> bool:
    with host.client() as client:
        return client.healthy()


def snapshotters(client: Client, kind: str) -> list[Snapshotter]:
    names = ["overlayfs", "native", *(["btrfs"] if kind == "btrfs" else [])]
    return [client.snapshotter(name) for name in names]


@pytest.mark.parametrize("kind", KINDS)
def test_a_host_on_a_read_only_root_reads_and_changes_nothing(tmp_path: Path, kind: str) -> None:
    """The health check reports it, and the host continues once the root is writable."""
    with mounted(tmp_path, kind) as disk, host_on(disk / "root") as host, host.client() as client:
        for snapshotter in snapshotters(client, kind):
            snapshotter.prepare("c-active")
            snapshotter.commit("c", "c-active")
            snapshotter.prepare("a", "c")
            snapshotter.view("v", "c")
        host.stop()
        run("mount", "-o", "remount,ro", disk)
        host.start()
        for snapshotter in snapshotters(client, kind):
            assert {info.name: info.kind for info in snapshotter.walk()} == {
                "a": Kind.ACTIVE,
                "c": Kind.COMMITTED,
                "v": Kind.VIEW,
            }
            assert snapshotter.stat("a").parent == "c"
            assert all(snapshotter.mounts(key) for key in "av")
            assert all(snapshotter.usage(key).inodes >= 0 for key in "acv")
            snapshotter.cleanup()
            for change in (
                lambda to=snapshotter: to.prepare("new"),
                lambda to=snapshotter: to.view("new", "c"),
                lambda to=snapshotter: to.commit("new", "a"),
                lambda to=snapshotter: to.update(Info("a", labels={"l": "v"})),
                lambda to=snapshotter: to.remove("v"),
            ):
                assert "read-only" in refused(change).lower()
        assert not is_serving(host)
        run("mount", "-o", "remount,rw", disk)
        wait_until(lambda: is_serving(host), SECONDS, "the host to be serving again")
        for snapshotter in snapshotters(client, kind):
            snapshotter.prepare("new", "c")
            snapshotter.commit("new-c", "a")
            snapshotter.remove("v")


@pytest.mark.parametrize("kind", KINDS)
def test_a_host_on_a_read_only_root_is_examined_and_backed_up(tmp_path: Path, kind: str) -> None:
    with mounted(tmp_path, kind) as disk, host_on(disk / "root") as host, host.client() as client:
        client.snapshotter("native").prepare("a")
        host.stop()
        run("mount", "-o", "remount,ro", disk)
        host.start()
        found = doctor(LAMINA_ADDRESS=host.address)
        assert found.wrong() == [("health", "problem")]
        document = json.loads(host.lamina("metastore", "backup", "--json", str(tmp_path / "backup")))
        assert document["Snapshots"] == 1
        run("mount", "-o", "remount,rw", disk)


@pytest.mark.parametrize("claims", [False, True])
def test_a_metastore_restored_alone_is_detected_after_starts_on_a_read_only_root(
    tmp_path: Path, claims: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starts that cannot be counted do not make an old backup pass as current."""
    monkeypatch.setattr(handle_module, "RETRY_SECONDS", 0.0)
    with mounted(tmp_path, "ext4") as disk:
        with open_native(disk) as native:
            native.prepare("a")
        backup = (disk / "metastore/data.mdb").read_bytes()
        run("mount", "-o", "remount,ro", disk)
        with open_native(disk) as native:
            assert native.stat("a").name == "a"
            if claims:
                run("mount", "-o", "remount,rw", disk)
                native.prepare("b")
        if not claims:
            run("mount", "-o", "remount,rw", disk)
            with open_native(disk) as native:
                native.prepare("b")
        with open_native(disk) as native:
            assert [info.name for info in native.walk()] == ["a", "b"]
        (disk / "metastore/data.mdb").write_bytes(backup)
        with pytest.raises(FailedPrecondition, match="is newer than the metastore"), open_native(disk):
            pass


def test_a_metastore_restored_alone_is_detected_on_a_read_only_root(tmp_path: Path) -> None:
    with mounted(tmp_path, "ext4") as disk:
        with open_native(disk) as native:
            native.prepare("a")
        backup = (disk / "metastore/data.mdb").read_bytes()
        with open_native(disk) as native:
            native.prepare("b")
        (disk / "metastore/data.mdb").write_bytes(backup)
        run("mount", "-o", "remount,ro", disk)
        with pytest.raises(FailedPrecondition, match="is newer than the metastore"), open_native(disk):
            pass
