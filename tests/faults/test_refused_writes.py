"""A disk fails any one write of a commit: of data, of names or of the journal."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lamina.errdefs import Error
from lamina.snapshots.local import LocalSnapshotter
from tests.support.disks.block_devices import FOREVER, run
from tests.support.disks.machines import Machine, prepare, running, whole_files
from tests.support.disks.snapshotters import COMBINATIONS
from tests.support.rounds import rounds

pytestmark = pytest.mark.requires("root", "overlay", "btrfs", "loop", "fuse", "mkfs.ext4", "mkfs.xfs")

ROUNDS = rounds(4, 42)


def acknowledged(snapshotter: LocalSnapshotter, key: str) -> bool:
    """Commit, and retry once after a failure; return whether the snapshot is committed."""
    for _ in range(2):
        with contextlib.suppress(Error):
            snapshotter.commit(f"layer {key}", key)
            return True
    return False


def commit_both(machine: Machine, refuse: Callable[[], None]) -> list[str]:
    """Commit two layers written before, and a third; return the acknowledged ones."""
    layers: list[str] = []
    with machine.open() as snapshotter:
        for key in ("first", "second"):
            prepare(snapshotter, key)
        refuse()
        layers += [key for key in ("first", "second") if acknowledged(snapshotter, key)]
        with contextlib.suppress(Error, OSError):
            prepare(snapshotter, "third")
            if acknowledged(snapshotter, "third"):
                layers.append("third")
    return layers


@pytest.mark.parametrize(("backend", "kind"), COMBINATIONS)
def test_acknowledged_layers_are_complete_whichever_write_fails(
    tmp_path: Path, backend: str, kind: str, tell: Callable[[str], None]
) -> None:
    refused = layers = 0
    writes = 1
    for number in range(-1, ROUNDS):
        directory = tmp_path / str(number)
        directory.mkdir()
        skip = max(number, 0) * writes // ROUNDS
        with running(directory, backend, kind) as machine:
            with machine.mounted():
                before = machine.disk.written()
                found = commit_both(machine, partial(machine.disk.refuse, skip=skip, times=int(number >= 0)))
                refused += machine.disk.refused()
                if number < 0:
                    writes = machine.disk.written() - before
                    assert found == ["first", "second", "third"]
            machine.disk.refuse(times=0)
            with machine.mounted(), machine.open() as snapshotter:
                for key in found:
                    assert whole_files(snapshotter, f"layer {key}") == {key}
                layers += len(found)
        shutil.rmtree(directory)
    tell(f"{refused} writes refused of the {writes} that the commits lead to, {layers} layers acknowledged")


@pytest.mark.parametrize(("backend", "kind"), COMBINATIONS)
def test_nothing_is_acknowledged_on_a_file_system_that_turned_read_only(
    tmp_path: Path, backend: str, kind: str
) -> None:
    """The file system did so in the background, so the syncfs of the commit has nothing to do."""
    with (
        running(tmp_path, backend, kind) as machine,
        machine.mounted() as mountpoint,
        machine.open() as snapshotter,
    ):
        prepare(snapshotter, "first")
        machine.disk.refuse(times=FOREVER)
        with contextlib.suppress(OSError):  # it is read-only already where another process has called sync(2)
            (mountpoint / "unsynced").touch()
        with contextlib.suppress(RuntimeError):
            run("sync", "--file-system", mountpoint)
        assert machine.disk.refused()
        machine.disk.refuse(times=0)
        assert not acknowledged(snapshotter, "first")
