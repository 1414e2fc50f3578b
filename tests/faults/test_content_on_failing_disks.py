"""Content stores on disks that lose power, fail or are full."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.content import ContentStore, NewBlob, ingest, verify_blob
from lamina.content.local import LocalContentStore
from lamina.errdefs import Error, ReadOnly, ResourceExhausted
from tests.support.blobs import digest_of
from tests.support.disks import full_disks
from tests.support.disks.block_devices import FOREVER, disk, loop_device, make_file_system, mounted, run
from tests.support.disks.ingests import store_by_chance
from tests.support.disks.write_log import PowerCut, by_chance
from tests.support.rounds import SEED, rounds

pytestmark = [
    pytest.mark.requires("root", "btrfs", "loop", "fuse", "mkfs.ext4", "mkfs.xfs"),
    pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"]),
]

CUTS = rounds(6, 200)
REFUSALS = rounds(4, 60)
INGESTS = rounds(6, 40)


@contextlib.contextmanager
def opened(mountpoint: Path) -> Iterator[LocalContentStore]:
    """The content store of a file system."""
    store = LocalContentStore(str(mountpoint / "content"))
    try:
        yield store
    finally:
        store.close()


def whole(store: ContentStore) -> set[str]:
    """The digests of all blobs, each of which is read and verified."""
    digests = {info.digest for info in store.walk()}
    for digest in digests:
        verify_blob(store, digest)
    return digests


def test_after_a_power_cut_all_acknowledged_blobs_are_there_and_no_other_is_damaged(
    tmp_path: Path, kind: str, tell: Callable[[str], None]
) -> None:
    print(f"LAMINA_SEED={SEED}")  # shown with a failure
    chance = random.Random(SEED)
    make_file_system(kind, tmp_path / "image")
    shutil.copy(tmp_path / "image", tmp_path / "forward")
    with disk(tmp_path / "image") as device, mounted(device.device, kind, tmp_path / "mnt") as mountpoint:
        with opened(mountpoint) as store:
            begun = device.log.stat().st_size
            stored = list(store_by_chance(store, device.log, INGESTS, chance))
        log = device.log
    cut = PowerCut(log, tmp_path / "forward")
    sizes = [entry.end for entry in cut.entries]
    first, last = (sum(size < point for size in sizes) for point in (begun, stored[-1].answered))
    compared = 0
    for count in sorted(chance.randrange(first, last + 1) + 1 for _ in range(CUTS)):
        cut.make(count, tmp_path / "cut", by_chance(chance))
        acknowledged = {digest for one in stored if one.answered <= sizes[count - 1] for digest in one.digests}
        with (
            loop_device(tmp_path / "cut") as after,
            mounted(after, kind, tmp_path / "after") as mountpoint,
            opened(mountpoint) as store,
        ):
            assert acknowledged <= whole(store)
            ingest(store, [NewBlob(digest_of(b"new"), b"new")])
        compared += len(acknowledged)
    cut.close()
    tell(f"{CUTS} power cuts of {len(sizes)} writes, {compared} acknowledged blobs compared, LAMINA_SEED={SEED}")


def test_acknowledged_blobs_are_whole_whichever_write_fails(
    tmp_path: Path, kind: str, tell: Callable[[str], None]
) -> None:
    blobs = [random.randbytes(size) for size in (300_000, 100, 0, 5_000)]
    refused = acknowledged = 0
    writes = 1
    for number in range(-1, REFUSALS):
        directory = tmp_path / str(number)
        directory.mkdir()
        make_file_system(kind, directory / "image")
        done: list[str] = []
        with disk(directory / "image") as device:
            with mounted(device.device, kind, directory / "mnt") as mountpoint, opened(mountpoint) as store:
                before = device.written()
                if number >= 0:
                    device.refuse(skip=number * writes // REFUSALS, times=1)
                for data in (*blobs, *blobs):  # again after a failure
                    with contextlib.suppress(Error):
                        ingest(store, [NewBlob(digest_of(data), data)])
                        done.append(digest_of(data))
                refused += device.refused()
                writes = device.written() - before if number < 0 else writes
            device.refuse(times=0)
            with mounted(device.device, kind, directory / "mnt") as mountpoint, opened(mountpoint) as store:
                assert set(done) <= whole(store)
        acknowledged += len(set(done))
        shutil.rmtree(directory)
    tell(f"{refused} writes refused of {writes}, {acknowledged} blobs acknowledged")


def test_a_file_system_that_turned_read_only_takes_no_blob(tmp_path: Path, kind: str) -> None:
    """It did so in the background, so that a sync has nothing left to do."""
    make_file_system(kind, tmp_path / "image")
    with (
        disk(tmp_path / "image") as device,
        mounted(device.device, kind, tmp_path / "mnt") as mountpoint,
        opened(mountpoint) as store,
        store.writer("ref") as writer,
    ):
        writer.write(b"data")
        device.refuse(times=FOREVER)
        with contextlib.suppress(RuntimeError):
            run("sync", "--file-system", mountpoint)
        assert device.refused()
        device.refuse(times=0)
        with pytest.raises(Error):
            writer.commit()


def test_a_read_only_store_can_be_read(tmp_path: Path, kind: str) -> None:
    with full_disks.mounted(tmp_path, kind) as mountpoint:
        with opened(mountpoint) as store:
            ingest(store, [NewBlob(digest_of(b"old"), b"old")])
        run("mount", "-o", "remount,ro", mountpoint)
        with opened(mountpoint) as store:
            assert whole(store) == {digest_of(b"old")}
            with pytest.raises(ReadOnly):
                store.writer("ref")


def test_a_full_disk_keeps_its_blobs_gets_the_space_back_and_can_delete(tmp_path: Path, kind: str) -> None:
    large, small = random.randbytes(4 << 20), random.randbytes(1 << 20)
    with full_disks.mounted(tmp_path, kind) as mountpoint:
        with opened(mountpoint) as store:
            ingest(store, [NewBlob(digest_of(small), small)])
            filler = full_disks.fill(mountpoint)
            os.truncate(filler, filler.stat().st_size - (2 << 20))
            full_disks.sync(mountpoint)
            with pytest.raises(ResourceExhausted):
                ingest(store, [NewBlob(digest_of(large), large)])
            assert list(store.statuses()) == []
            full_disks.fill(mountpoint)
        with opened(mountpoint) as store:
            assert whole(store) == {digest_of(small)}
            store.delete(digest_of(small))
            assert whole(store) == set()
        filler.unlink()
        full_disks.sync(mountpoint)
        with opened(mountpoint) as store:
            ingest(store, [NewBlob(digest_of(large), large)])
            assert whole(store) == {digest_of(large)}
