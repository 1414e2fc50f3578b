"""The process of the btrfs snapshotter is killed at chosen and at random points."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from lamina.mount import temporary_mount
from lamina.snapshots import Kind
from lamina.snapshots.local import LocalSnapshotter
from lamina.steps import BLOCKING
from tests.support.directories import CHECKOUT
from tests.support.rounds import SEED
from tests.support.snapshotters.btrfs import layer, mounted_btrfs, open_btrfs, run, subvolumes
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "btrfs")

ONE_STEP = """
import os, signal, sys
from pathlib import Path
from tests.support.snapshotters.btrfs import open_btrfs
from lamina.plugins.snapshots.btrfs import BtrfsBackend
from lamina.snapshots.local._root import DataRoot
from lamina.snapshots.storage import Keyspace

step, path = sys.argv[1:]

def die(*_arguments):
    os.kill(os.getpid(), signal.SIGKILL)

def commit(self, record, commit=BtrfsBackend.commit):
    commit(self, record)
    die()

def destroy(self, path):
    self._destroy(path, "active")
    die()

if step == "before the commit is durable":
    BtrfsBackend.commit = commit
elif step == "before the active subvolume is deleted":
    BtrfsBackend.committed = die
elif step == "before a new snapshot has its record":
    Keyspace.create = die
elif step == "before a removed snapshot is in the trash":
    DataRoot.discard = die
elif step == "in the middle of a deletion":
    BtrfsBackend.destroy = destroy

with open_btrfs(Path(path)) as btrfs:
    if "commit" in step or "active" in step:
        btrfs.commit("c", "a")
    elif "new" in step:
        btrfs.prepare("b")
    else:
        btrfs.remove("a")
        btrfs.cleanup()
"""
"""A program that is killed at a chosen point of a call. Its arguments are the point and a directory."""

ENDLESS = """
import itertools, sys
from pathlib import Path
from tests.support.snapshotters.btrfs import open_btrfs

path = Path(sys.argv[1])
with open_btrfs(path, sync_fs=False) as btrfs:
    names = {info.name for info in btrfs.walk()}
    for key in filter(lambda name: name.startswith("key "), names):
        btrfs.remove(key)  # an uncommitted snapshot cannot be removed later
    for number in itertools.count(1 + max((int(name) for name in names if name.isdecimal()), default=0)):
        key = f"key {number}"
        btrfs.prepare(key)
        snapshot = path / "btrfs/root/snapshots" / str(btrfs._keyspace.get(key).id)
        (snapshot / "active/content").write_text(f"{number}")
        btrfs.commit(f"{number}", key)
        print(f"committed {number}", flush=True)  # in one write, which a kill does not cut
        if number > 3:
            btrfs.remove(f"{number - 3}")
            print(f"removed {number - 3}", flush=True)
"""
"""A program that makes calls without end and prints each acknowledgement. Its argument is a directory."""


def command(program: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", program, *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT)}


def die_at(step: str, path: Path) -> None:
    done = subprocess.run(command(ONE_STEP, step, path), env=environment(), capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def content(btrfs: LocalSnapshotter, name: str) -> str:
    with temporary_mount(btrfs.view("v", name)) as root:
        found = (Path(root) / "content").read_text()
    btrfs.remove("v")
    return found


@pytest.fixture
def mountpoint(tmp_path: Path) -> Iterator[Path]:
    """A btrfs with two active snapshots: `other`, whose id is 1, and `a`, whose id is 2."""
    with mounted_btrfs(tmp_path) as path:
        with open_btrfs(tmp_path) as btrfs:
            btrfs.prepare("other")
            with temporary_mount(btrfs.prepare("a")) as root:
                (Path(root) / "content").write_text("early")
        yield path


def settled(mountpoint: Path, expected: set[str]) -> None:
    """Wait until exactly these subvolumes exist below `snapshots/`, and no others except in quarantine."""
    paths = {f"root/snapshots/{path}" for path in expected}

    def found() -> set[str]:
        return {path for path in subvolumes(mountpoint) if not path.startswith("root/quarantine/")}

    wait_until(lambda: found() == paths, 60, f"subvolumes are {paths}")


def test_a_crash_before_the_commit_is_durable_leaves_the_snapshot_active(mountpoint: Path, tmp_path: Path) -> None:
    """Later writes are committed too, and the leftover copy does not affect the usage."""
    die_at("before the commit is durable", tmp_path)
    assert subvolumes(mountpoint) == {f"root/snapshots/{path}" for path in ("1/active", "2/active", "2/committed")}
    with open_btrfs(tmp_path) as btrfs:
        with temporary_mount(btrfs.mounts("a")) as root:
            (Path(root) / "content").write_text("late")
        usage = btrfs.usage("a")
        btrfs.commit("c", "a")
        assert content(btrfs, "c") == "late"
        assert btrfs.usage("c") == usage
        settled(mountpoint, {"1/active", "2/committed"})


def test_the_copy_of_a_commit_that_was_interrupted_is_deleted_at_the_next_start(
    mountpoint: Path, tmp_path: Path
) -> None:
    die_at("before the commit is durable", tmp_path)
    with open_btrfs(tmp_path) as btrfs:
        settled(mountpoint, {"1/active", "2/active"})
        btrfs.commit("c", "a")
        assert content(btrfs, "c") == "early"


def test_the_copy_of_a_commit_stays_if_a_recovery_record_says_that_it_was_complete(
    mountpoint: Path, tmp_path: Path
) -> None:
    """An older metastore was put in its place. The next rebuild makes the snapshot a committed one again."""
    shutil.copytree(tmp_path / "metastore", tmp_path / "older")
    with open_btrfs(tmp_path) as btrfs:
        btrfs.commit("c", "a")
    data = mountpoint / "root/snapshots/2"
    run("btrfs", "subvolume", "snapshot", data / "committed", data / "active")  # as if killed before its deletion
    shutil.rmtree(tmp_path / "metastore")
    (tmp_path / "older").rename(tmp_path / "metastore")
    owner, _, _ = (mountpoint / "root/uuid").read_text().partition(" ")
    (mountpoint / "root/uuid").write_text(f"{owner} 0\n")  # else it is refused
    (mountpoint / "root/transaction").unlink()
    with open_btrfs(tmp_path) as btrfs:
        btrfs._tidying().tidy_up()
        assert "root/snapshots/2/committed" in subvolumes(mountpoint)


def test_no_commit_is_undone_that_begins_meanwhile(mountpoint: Path, tmp_path: Path) -> None:
    die_at("before the commit is durable", tmp_path)
    with open_btrfs(tmp_path) as btrfs:
        steps = btrfs.commit_steps("c", "a")
        while next(steps) is BLOCKING:  # until the copy is made, and the record is to be stored
            pass
        with concurrent.futures.ThreadPoolExecutor() as pool:
            tidying = pool.submit(btrfs._tidying().tidy_up)
            wait_until(lambda: btrfs._commits._entries[btrfs._keyspace.name, "a"].users >= 2, 60, "it waits")
            assert "root/snapshots/2/committed" in subvolumes(mountpoint)
            steps.close()
            tidying.result(60)


def test_a_crash_before_the_active_subvolume_is_deleted_leaves_the_snapshot_committed(
    mountpoint: Path, tmp_path: Path
) -> None:
    """Writes to the leftover subvolume do not count, and the next start deletes it."""
    die_at("before the active subvolume is deleted", tmp_path)
    (mountpoint / "root/snapshots/2/active/content").write_text("late")
    with open_btrfs(tmp_path) as btrfs:
        assert content(btrfs, "c") == "early"
        settled(mountpoint, {"1/active", "2/committed"})


def test_a_commit_whose_record_was_lost_leaves_its_data_to_the_active_snapshot(
    mountpoint: Path, tmp_path: Path
) -> None:
    """An older metastore was restored, and the recovery record was lost, too."""
    data = mountpoint / "root/snapshots/2"
    run("btrfs", "subvolume", "snapshot", "-r", data / "active", data / "committed")
    run("btrfs", "subvolume", "delete", data / "active")
    with open_btrfs(tmp_path) as btrfs:
        btrfs._tidying().tidy_up()
        with temporary_mount(btrfs.mounts("a")) as root:
            assert (Path(root) / "content").read_text() == "early"
            (Path(root) / "content").write_text("late")
        btrfs.commit("c", "a")
        assert content(btrfs, "c") == "late"


def test_the_active_subvolume_of_a_committed_snapshot_is_kept_if_it_is_all_that_is_left(
    mountpoint: Path, tmp_path: Path
) -> None:
    with open_btrfs(tmp_path) as btrfs:
        btrfs.commit("c", "a")
    data = mountpoint / "root/snapshots/2"
    run("btrfs", "subvolume", "snapshot", data / "committed", data / "active")
    run("btrfs", "property", "set", "-ts", data / "committed", "ro", "false")
    run("btrfs", "subvolume", "delete", data / "committed")
    with open_btrfs(tmp_path) as btrfs:
        btrfs._tidying().tidy_up()
        assert subvolumes(mountpoint) == {"root/snapshots/1/active", "root/snapshots/2/active"}


@pytest.mark.parametrize("step", ["before a removed snapshot is in the trash", "in the middle of a deletion"])
def test_the_next_start_finishes_a_removal(mountpoint: Path, tmp_path: Path, step: str) -> None:
    die_at(step, tmp_path)
    with open_btrfs(tmp_path) as btrfs:
        assert [info.name for info in btrfs.walk()] == ["other"]
        settled(mountpoint, {"1/active"})
        wait_until(lambda: not os.listdir(mountpoint / "root/trash"), 60, "the trash is empty")


def test_the_next_start_deletes_a_snapshot_without_a_record(mountpoint: Path, tmp_path: Path) -> None:
    die_at("before a new snapshot has its record", tmp_path)
    assert len(subvolumes(mountpoint)) == 3
    with open_btrfs(tmp_path) as btrfs:
        assert [info.name for info in btrfs.walk()] == ["a", "other"]
        settled(mountpoint, {"1/active", "2/active"})


def test_acknowledged_calls_survive_a_kill_at_any_time(mountpoint: Path, tmp_path: Path) -> None:
    random = Random(SEED)
    known: dict[str, set[str]] = {"committed": set(), "removed": set()}
    for _ in range(6):
        with subprocess.Popen(
            command(ENDLESS, tmp_path), env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(random.randint(1, 25)):
                what, name = process.stdout.readline().split()
                known[what].add(name)
            process.kill()
            for line in process.stdout:  # output before the kill
                what, name = line.split()
                known[what].add(name)
        with open_btrfs(tmp_path) as btrfs:
            infos = list(btrfs.walk())
            committed = {info.name for info in infos if info.kind is Kind.COMMITTED}
            there = known["committed"] - known["removed"]
            # The interrupted call may have taken effect: at most one more commit and one more removal.
            assert len(there - committed) <= 1
            assert not committed & known["removed"]
            known["removed"] |= there - committed  # each kill interrupts one
            for name in committed:
                assert content(btrfs, name) == name
            ids = {f"{btrfs._keyspace.get(info.name).id}/{info.kind.name.lower()}" for info in infos}
            settled(mountpoint, ids)


@pytest.mark.parametrize("parent", ["", "c"])
def test_a_subvolume_lost_in_a_power_failure_is_recreated_in_its_directory(tmp_path: Path, parent: str) -> None:
    """btrfs keeps the directory if its parent was synced."""
    with mounted_btrfs(tmp_path):
        with open_btrfs(tmp_path) as btrfs:
            layer(btrfs, "c", "", lambda root: (root / "f").write_text("x"))
            btrfs.prepare("a", parent)
            directory = Path(btrfs._backend.path(btrfs._keyspace.get("a").id))
            run("btrfs", "subvolume", "delete", directory / "active")
            btrfs._store.remember_boot("the boot before the power cut")
        with open_btrfs(tmp_path) as btrfs, temporary_mount(btrfs.mounts("a")) as root:
            assert os.listdir(root) == (["f"] if parent else [])
