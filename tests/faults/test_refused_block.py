"""A disk fails to write one block once: a layer that may have lost it is never acknowledged."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errdefs import DataLoss
from lamina.snapshots.local import LocalSnapshotter
from tests.support.disks.block_devices import FOREVER, disk, make_file_system, mounted, run
from tests.support.disks.machines import prepare, running, whole_files
from tests.support.disks.snapshotters import COMBINATIONS
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay", "btrfs", "loop", "fuse", "mkfs.ext4", "mkfs.xfs")

MARK = b"this block is refused by the disk\n"
SECONDS = 60.0


def with_base(snapshotter: LocalSnapshotter) -> None:
    """Commit a base layer."""
    prepare(snapshotter, "base")
    snapshotter.commit("before", "base")


def assert_refused(snapshotter: LocalSnapshotter, *keys: str) -> None:
    for key in keys:
        with pytest.raises(DataLoss):
            snapshotter.commit(f"layer {key}", key)


@pytest.mark.parametrize(("backend", "kind"), COMBINATIONS)
def test_a_layer_that_may_have_lost_a_block_is_refused_for_good_and_others_work(
    tmp_path: Path, backend: str, kind: str
) -> None:
    with running(tmp_path, backend, kind) as machine:
        with machine.mounted():
            with machine.open() as snapshotter:
                with_base(snapshotter)
                prepare(snapshotter, "bystander", "before")
                machine.disk.refuse(MARK)
                prepare(snapshotter, "damaged", "before", MARK)
                assert_refused(snapshotter, "damaged", "damaged", "bystander")
                assert machine.disk.refused() == 1
                for key in ("damaged", "bystander"):
                    assert snapshotter.mounts(key)
                    assert snapshotter.usage(key).inodes
                prepare(snapshotter, "later", "before")
                snapshotter.commit("layer later", "later")
                snapshotter.remove("bystander")
                prepare(snapshotter, "bystander", "before")
                snapshotter.commit("layer bystander", "bystander")
            assert machine.commit_in_new_process("damaged") == "DataLoss"
        with machine.mounted(), machine.open() as snapshotter:
            assert_refused(snapshotter, "damaged")
            assert whole_files(snapshotter, "before") == {"base"}
            assert whole_files(snapshotter, "layer later") == {"base", "later"}
            assert whole_files(snapshotter, "layer bystander") == {"base", "bystander"}
            snapshotter.remove("damaged")
            prepare(snapshotter, "damaged", "before")
            snapshotter.commit("layer damaged", "damaged")


@pytest.mark.parametrize(("backend", "kind"), COMBINATIONS)
def test_an_error_seen_by_another_commit_refuses_the_damaged_one_at_once(
    tmp_path: Path, backend: str, kind: str
) -> None:
    with running(tmp_path, backend, kind) as machine:
        with machine.mounted(), machine.open() as snapshotter:
            with_base(snapshotter)
            prepare(snapshotter, "other", "before")
            machine.disk.refuse(MARK)
            prepare(snapshotter, "damaged", "before", MARK)
            assert_refused(snapshotter, "other", "damaged")
            assert machine.disk.refused() == 1
        with machine.mounted(), machine.open() as snapshotter:
            assert_refused(snapshotter, "other", "damaged")


def test_a_copy_whose_sync_failed_is_discarded_and_repeated(tmp_path: Path) -> None:
    with running(tmp_path, "native", "ext4") as machine:
        with machine.mounted() as mountpoint, machine.open() as snapshotter:
            with_base(snapshotter)
            machine.disk.refuse(b"base" * 1000)
            with pytest.raises(DataLoss):
                snapshotter.prepare("copy", "before")
            assert machine.disk.refused() == 1
            assert len(list((mountpoint / "root/snapshots").iterdir())) == 1
            snapshotter.prepare("copy", "before")
            snapshotter.commit("layer", "copy")
        with machine.mounted(), machine.open() as snapshotter:
            assert whole_files(snapshotter, "layer") == {"base"}


@pytest.mark.parametrize("reboot", [False, True], ids=["and-the-host-restarts", "and-the-machine-reboots-later"])
def test_a_failed_sync_is_remembered_while_the_metastore_cannot_be_written(tmp_path: Path, reboot: bool) -> None:
    (tmp_path / "second").mkdir()
    make_file_system("ext4", tmp_path / "second/image")
    # A journal is written every five seconds, and at each sync(2). Refused once, it is never written again.
    run("tune2fs", "-O", "^has_journal", tmp_path / "second/image")
    with (
        disk(tmp_path / "second/image") as second,
        mounted(second.device, "ext4", tmp_path / "metastore"),
        running(tmp_path, "overlay", "ext4") as machine,
        machine.mounted(),
    ):
        with machine.open() as snapshotter:
            with_base(snapshotter)
            prepare(snapshotter, "later", "before")
            machine.disk.refuse(MARK)
            prepare(snapshotter, "damaged", "before", MARK)
            second.refuse(times=FOREVER)
            assert_refused(snapshotter, "damaged")
            (told,) = (tmp_path / "state").glob("failed-sync-*")
            wait_until(second.refused, SECONDS, "the metastore cannot be written")
            if reboot:
                second.refuse(times=0)
                wait_until(lambda: not told.exists(), SECONDS, "the metastore has it")
        second.refuse(times=0)
        assert machine.commit_in_new_process("damaged") == "DataLoss"
