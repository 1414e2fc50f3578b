"""A write of the metastore fails, and later the power fails."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.errdefs import Error
from lamina.snapshots import Kind
from lamina.snapshots.storage import MetaStore
from lamina.steps import run
from tests.support.disks.block_devices import disk, loop_device, make_file_system, mounted
from tests.support.disks.write_log import FLUSH, PowerCut
from tests.support.rounds import rounds

pytestmark = pytest.mark.requires("root", "loop", "fuse", "mkfs.ext4", "mkfs.xfs")

META = b"\xde\xc0\xef\xbe"
"""MDB_MAGIC of mdb.c as bytes, which only meta pages contain."""
KINDS = ("ext4", "xfs", "btrfs")[: rounds(2, 3)]
SETS = rounds(16, 64)
"""The number of ways to keep some of the writes before a flush."""
BEFORE, AFTER = 100, rounds(1, 3)
_LOOK = """
import contextlib
import sys
from lamina.snapshots.storage import MetaStore

for line in sys.stdin:
    try:
        with contextlib.closing(MetaStore.open(line.strip())) as store:
            snapshotter = store.snapshotter("overlayfs")
            names = [record.info.name for record in snapshotter.keyspace("lamina").walk()]
            assert len(list(snapshotter.records())) == len(names)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", flush=True)
    else:
        print(*names, flush=True)
"""
"""A separate program, because LMDB may abort a process that reads a damaged page."""


@pytest.mark.parametrize("carried_out", [True, False], ids=["carried-out-nevertheless", "not-carried-out"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_commit_neither_loses_nor_damages_acknowledged_records(
    tmp_path: Path, kind: str, carried_out: bool, tell: Callable[[str], None]
) -> None:
    """Writes of the failed commit that reached the disk must not mix with pages of later transactions."""
    make_file_system(kind, tmp_path / "image")
    shutil.copy(tmp_path / "image", tmp_path / "forward")
    log, acknowledged, begin = fail_a_commit(tmp_path, kind, carried_out=carried_out)
    cuts = cut_power(tmp_path, kind, log, begin, acknowledged)
    tell(f"a failed commit, {cuts} power cuts after it")


def fail_a_commit(directory: Path, kind: str, *, carried_out: bool) -> tuple[Path, dict[str, int], int]:
    """Store records, one of which fails; return the log, the position of each answer, and that of the failure."""
    acknowledged: dict[str, int] = {}
    with disk(directory / "image") as device, mounted(device.device, kind, directory / "mnt") as mountpoint:
        store = MetaStore.open(str(mountpoint / "metastore"))
        keyspace = store.snapshotter("overlayfs").keyspace("lamina")

        def create(name: str) -> None:
            run(keyspace.create(keyspace.draft(Kind.ACTIVE, name, "", {"label": "x" * 1000})))
            acknowledged[name] = device.log.stat().st_size

        for number in range(BEFORE):
            create(f"before-{number:03}")
        begin = device.log.stat().st_size
        device.refuse(META, carried_out=carried_out)
        with pytest.raises(Error):
            create("a-failed")
        assert device.refused() == 1
        for number in range(AFTER):
            create(f"z-after-{number}")
        store.close()
        return device.log, acknowledged, begin


def cut_power(directory: Path, kind: str, log: Path, begin: int, acknowledged: dict[str, int]) -> int:
    """Fail the power before each flush after the failed commit, keep some of the writes, and check the records."""
    cuts = 0
    cut = PowerCut(log, directory / "forward")
    with subprocess.Popen(
        (sys.executable, "-c", _LOOK), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as looking:
        assert looking.stdin is not None
        assert looking.stdout is not None
        for count, kept in losses(cut, begin, max(acknowledged.values())):
            cut.make(count, directory / "cut", kept.__contains__)
            with (
                loop_device(directory / "cut") as device,
                mounted(device, kind, directory / "after") as mountpoint,
            ):
                print(mountpoint / "metastore", file=looking.stdin, flush=True)
                answer = looking.stdout.readline()
            expected = {name for name, size in acknowledged.items() if size <= cut.entries[count - 1].end}
            found = set(answer.split())
            assert expected <= found <= {"a-failed", *acknowledged}, (
                f"{count} entries, {kept} kept: {answer[-1000:]}"
            )
            assert len(found - expected) <= 2  # the one that failed, and the one in progress
            cuts += 1
        looking.stdin.close()
    cut.close()
    return cuts


def losses(cut: PowerCut, begin: int, end: int) -> Iterator[tuple[int, set[int]]]:
    """Yield the log size before each flush in a part of a log, with the last writes that are kept."""
    for count, entry in enumerate(cut.entries):
        if entry.kind != FLUSH or not begin < entry.end <= end:
            continue
        unflushed = cut.unflushed(count)
        for choice in choices(len(unflushed)):
            yield count, set(itertools.compress(unflushed, choice))


def choices(length: int) -> list[tuple[bool, ...]]:
    """Return ways to choose from so many things: all, if `SETS` allows it, else some at random."""
    if 1 << length <= SETS:
        return list(itertools.product((False, True), repeat=length))
    return [tuple(random.random() < 0.5 for _ in range(length)) for _ in range(SETS)]
