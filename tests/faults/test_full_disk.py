"""Hosts on file systems without free blocks or inodes."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.errdefs import ResourceExhausted
from lamina.plugin import PluginType
from lamina.snapshots import Info, Kind, Snapshotter
from lamina.snapshots.recovery import inspect_copy
from lamina.snapshots.storage import Keyspace, MetaStore
from lamina.steps import run as run_steps
from tests.support.commands import CommandFailed, environment
from tests.support.disks.full_disks import fill, give_back, host_on, mounted, take_everything
from tests.support.images.archives import write_tar
from tests.support.images.built import layer
from tests.support.images.layouts import debian
from tests.support.processes.hosts import LAMINA, Host
from tests.support.rounds import rounds
from tests.support.snapshotters.btrfs import run

pytestmark = [pytest.mark.requires("root", "loop", "overlay")]

KINDS = [
    pytest.param("ext4", marks=pytest.mark.requires("mkfs.ext4")),
    pytest.param("xfs", marks=pytest.mark.requires("mkfs.xfs")),
    pytest.param("btrfs", marks=pytest.mark.requires("btrfs")),
]
SNAPSHOTS = rounds(60, 600)
"""The number of snapshots on the full disk."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of file system."""
    return str(request.param)


@pytest.fixture
def disk(tmp_path: Path, kind: str) -> Iterator[Path]:
    """The mount point of a small, empty file system."""
    with mounted(tmp_path, kind) as mountpoint:
        yield mountpoint


@pytest.fixture
def host(disk: Path) -> Iterator[Host]:
    """A running host with its root on the disk."""
    with host_on(disk / "root") as running:
        yield running


def outcomes(calls: Iterator[Callable[[], object]]) -> Counter[str]:
    """Count the errors that calls raise; "" counts successes."""
    counted: Counter[str] = Counter()
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - all errors are counted
            counted[type(error).__name__] += 1
        else:
            counted[""] += 1
    return counted


def make(snapshotter: Snapshotter) -> list[str]:
    """Create snapshots to remove; return their keys."""
    keys = [f"{number:04}" for number in range(SNAPSHOTS)]
    for key in keys:
        snapshotter.prepare(key)
    return keys


def make_leases(client: Client) -> None:
    """Create leases until the metastore has no free pages left."""
    for number in range(10_000):
        client.leases().create(f"more-{number}", {"padding": "x" * 4000})


def names_of(kind: str) -> list[str]:
    """Return the snapshotters that work on a file system."""
    return ["native", "overlayfs", *(["btrfs"] if kind == "btrfs" else [])]


def abilities(host: Host) -> dict[str, tuple[str, ...]]:
    """Return the capabilities of each working snapshotter."""
    with host.client() as client:
        plugins = [plugin for plugin in client.plugins() if plugin.type == PluginType.SNAPSHOTTER]
        return {plugin.id: plugin.capabilities for plugin in plugins if plugin.status == "ok"}


@pytest.mark.parametrize("what", ["blocks", "names"])
def test_a_host_starts_on_a_full_disk_and_removes_everything(
    host: Host, disk: Path, kind: str, what: str, tell: Callable[[str], None]
) -> None:
    """Existing snapshots are served with the same capabilities, and new ones are created once there is space."""
    with host.client() as client:
        keys = {name: make(client.snapshotter(name)) for name in names_of(kind)}
    before = abilities(host)
    take_everything(disk, what)
    for end in (host.kill, host.stop):
        end()
        host.start()
        assert abilities(host) == before
    removed: Counter[str] = Counter()
    with host.client() as client:
        for name, made in keys.items():
            snapshotter = client.snapshotter(name)
            assert [info.name for info in snapshotter.walk()] == made
            assert all(snapshotter.mounts(key) for key in made)
            removed += outcomes(lambda key=key, of=snapshotter: of.remove(key) for key in made)
        tell(f"restart on a full {kind} ({what}): remove {dict(removed)}")
        assert set(removed) == {""}
        for name in keys:
            client.snapshotter(name).cleanup()
            assert list(client.snapshotter(name).walk()) == []
        give_back(disk)
        for name in keys:
            client.snapshotter(name).prepare("new")


@pytest.mark.parametrize("what", ["blocks", "names"])
def test_a_host_on_a_full_disk_answers_and_removes_everything(
    host: Host, disk: Path, kind: str, what: str, tell: Callable[[str], None]
) -> None:
    """When the disk fills up, a running host reads, refuses writes, and removes."""
    with host.client() as client:
        overlay = client.snapshotter("overlayfs")
        keys = make(overlay)
        take_everything(disk, what)
        assert [overlay.stat(key).name for key in keys] == keys
        assert len(inspect_copy(client.copy_metastore()).snapshots) == len(keys)
        assert [info.name for info in overlay.walk()] == keys
        prepared = outcomes(lambda key=key: overlay.prepare(f"more {key}") for key in keys)
        updated = outcomes(lambda key=key: overlay.update(Info(key, labels={"l": "v" * 2000})) for key in keys)
        more = [info.name for info in overlay.walk()]
        removed = outcomes(lambda key=key: overlay.remove(key) for key in more)
        overlay.cleanup()
        tell(f"full {kind} ({what}): prepare {dict(prepared)}, update {dict(updated)}, remove {dict(removed)}")
        assert set(prepared) <= {"", ResourceExhausted.__name__}
        assert set(updated) <= {"", ResourceExhausted.__name__}
        assert removed == {"": len(more)}
        assert list(overlay.walk()) == []


def test_a_full_disk_is_diagnosed(host: Host, disk: Path) -> None:
    take_everything(disk, "names")
    done = subprocess.run(
        [*LAMINA, "diagnose", "--json", "-a", host.address],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
        check=False,
    )
    said = [one["Found"] for one in json.loads(done.stdout) if one["Status"] in ("problem", "unknown")]
    assert any("No space left on device" in found for found in said)
    assert [found for found in said if "diagnose failed" in found] == []


def test_names_of_images_leases_and_what_they_kept_are_removed_from_a_full_disk(
    host: Host, disk: Path, tmp_path: Path
) -> None:
    archive = write_tar(tmp_path / "image.tar", debian(layer({"file": b"x" * 10_000})))
    with host.client() as client:
        host.lamina("images", "import", str(archive))
        (image,) = client.images().list()
        leases = [client.leases().create(str(number)).id for number in range(20)]
        take_everything(disk, "blocks")
        with pytest.raises(ResourceExhausted):
            make_leases(client)
        for lease in leases:
            client.leases().delete(lease)
        client.images().delete(image.name)
        host.lamina("images", "prune")
        assert list(client.images().list()) == []
        assert list(client.snapshotter("overlayfs/images/default").walk()) == []
        assert list(client.content().walk()) == []


def test_a_restore_on_a_full_disk_changes_nothing_and_leaves_nothing(
    host: Host, disk: Path, tmp_path: Path
) -> None:
    with host.client() as client:
        make(client.snapshotter("overlayfs"))
    backup = ("--root", str(disk / "root"), str(tmp_path / "backup"))
    host.lamina("metastore", "backup", *backup)
    host.stop()
    metastore = disk / "root/io.lamina.metastore.v1.lmdb"
    before = sorted(metastore.iterdir()), (metastore / "data.mdb").read_bytes()
    take_everything(disk, "blocks")
    with pytest.raises(CommandFailed, match="No space left on device"):
        host.lamina("metastore", "restore", *backup)
    assert (sorted(metastore.iterdir()), (metastore / "data.mdb").read_bytes()) == before


@pytest.mark.parametrize("what", ["blocks", "names"])
def test_data_on_a_separate_full_disk_is_deleted(
    tmp_path: Path, disk: Path, kind: str, what: str, tell: Callable[[str], None]
) -> None:
    """The metastore has enough space, and its ballast is on another disk."""
    config = "".join(
        f'[plugins."io.containerd.snapshotter.v1.{name}"]\nroot_path = "{disk}/{name}"\n'
        for name in names_of(kind)
    )
    with host_on(tmp_path / "root", config) as host, host.client() as client:
        keys = {name: make(client.snapshotter(name)) for name in names_of(kind)}
        (disk / "overlayfs/snapshots/1/fs/large").write_bytes(b"x" * 4_000_000)
        take_everything(disk, what)
        for name, made in keys.items():
            snapshotter = client.snapshotter(name)
            removed = outcomes(lambda key=key, of=snapshotter: of.remove(key) for key in made)
            snapshotter.cleanup()
            left = os.listdir(disk / name / "snapshots") + os.listdir(disk / name / "trash")
            tell(f"data on a full {kind} ({what}), {name}: remove {dict(removed)}, left {len(left)}")
            assert removed == {"": len(made)}
            assert left == []


@pytest.fixture(params=[*KINDS, pytest.param("btrfs with a quota", marks=pytest.mark.requires("btrfs"))])
def filling(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system that is nearly full, or has a nearly exhausted quota."""
    kind, _, quota = str(request.param).partition(" ")
    with mounted(tmp_path, kind) as mountpoint:
        if quota:
            run("btrfs", "quota", "enable", mountpoint)
            run("btrfs", "quota", "rescan", "-w", mountpoint)
            run("btrfs", "qgroup", "limit", "24M", mountpoint)
        yield mountpoint


def test_an_update_on_a_filling_disk_never_reports_lost_data(filling: Path, tell: Callable[[str], None]) -> None:
    """LMDB reports EIO for a short write, which occurs if only some of the pages fit."""
    counted: Counter[str] = Counter()
    keys = [f"{number:03}" for number in range(40)]
    with contextlib.closing(MetaStore.open(str(filling / "root"), str(filling.parent / "state"))) as store:
        space = store.snapshotter("native").keyspace("native")
        for key in keys:
            run_steps(space.create(space.draft(Kind.ACTIVE, key, "", {})))
        for number in range(rounds(8, 80)):
            filler = fill(filling)
            for gap in (0, 1, 3, 8):
                if gap:
                    shrink(filler, 4096 * gap)
                labels = {f"l{part}": "v" * 4000 for part in range(1 + (number + gap) % 8)}
                counted += outcomes(functools.partial(update, space, Info(key, labels=labels)) for key in keys)
            shrink(filler, 400_000)
        tell(f"updates on a filling {filling.name}: {dict(counted)}")
        assert set(counted) == {"", ResourceExhausted.__name__}
        assert [record.info.name for record in space.walk()] == keys


def update(keyspace: Keyspace, info: Info) -> None:
    run_steps(keyspace.update(info))


def shrink(filler: Path, size: int) -> None:
    """Truncate the filler file, or delete it if a quota forbids truncating."""
    try:
        os.truncate(filler, max(filler.stat().st_size - size, 0))
    except OSError as error:
        if error.errno != errno.EDQUOT:
            raise
        filler.unlink()
        filler.touch()
