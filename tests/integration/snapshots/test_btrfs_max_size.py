"""The label `containerd.io/snapshot/max-size` on btrfs."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from lamina.errdefs import InvalidArgument
from lamina.mount import temporary_mount
from tests.support.snapshotters.btrfs import btrfs_snapshotter, layer, mounted_btrfs, open_btrfs, subvolumes

pytestmark = pytest.mark.requires("root", "btrfs")

LABEL = "containerd.io/snapshot/max-size"
MIB = 1 << 20


def write(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
            file.flush()
            os.fsync(file.fileno())


def test_with_quotas_writes_beyond_the_limit_fail(tmp_path: Path) -> None:
    """The parent's data does not count. Data within the limit can be committed."""
    with btrfs_snapshotter(tmp_path, megabytes=256, quota=True) as btrfs:
        layer(btrfs, "base", "", lambda root: write(root / "of the parent", 20 * MIB))
        with temporary_mount(btrfs.prepare("a", "base", {LABEL: str(10 * MIB)})) as root:
            write(Path(root) / "fits", 5 * MIB)
            with pytest.raises(OSError, match="quota") as caught:
                write(Path(root) / "does not", 10 * MIB)
            assert caught.value.errno == errno.EDQUOT
            assert (Path(root) / "fits").stat().st_size == 5 * MIB
        btrfs.commit("full", "a")
        assert 5 * MIB < btrfs.usage("full").size <= 10 * MIB


def test_children_of_a_limited_snapshot_are_not_limited(tmp_path: Path) -> None:
    with btrfs_snapshotter(tmp_path, megabytes=256, quota=True) as btrfs:
        btrfs.prepare("a", labels={LABEL: str(2 * MIB)})
        btrfs.commit("base", "a", {LABEL: str(2 * MIB)})
        with temporary_mount(btrfs.prepare("b", "base")) as root:
            write(Path(root) / "f", 10 * MIB)


def test_without_quotas_the_missing_limit_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        btrfs_snapshotter(tmp_path) as btrfs,
        caplog.at_level(logging.WARNING),
        temporary_mount(btrfs.prepare("a", labels={LABEL: str(MIB)})) as root,
    ):
        write(Path(root) / "f", 4 * MIB)
    assert [record.getMessage() for record in caplog.records] == [
        "cannot limit the size of a snapshot: quotas are off (btrfs quota enable)"
    ]


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1M", " 1", "1e3", "٣", str(2**63), "9" * 4000])
def test_a_malformed_limit_is_refused_and_creates_nothing(tmp_path: Path, text: str) -> None:
    with mounted_btrfs(tmp_path) as mountpoint, open_btrfs(tmp_path) as btrfs:
        with pytest.raises(InvalidArgument, match=LABEL):
            btrfs.prepare("a", labels={LABEL: text})
        assert list(btrfs.walk()) == []
        assert subvolumes(mountpoint) == set()


def test_a_view_has_no_limit_and_accepts_any_label(tmp_path: Path) -> None:
    with btrfs_snapshotter(tmp_path, quota=True) as btrfs:
        btrfs.view("v", labels={LABEL: "much"})
        assert btrfs.stat("v").labels == {LABEL: "much"}
