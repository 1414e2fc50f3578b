"""Size limits that differ from labels are found and repaired."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.plugin import Finding, Verdict
from lamina.plugins.snapshots.btrfs._quotas import check_quotas
from lamina.snapshots.labels import MAX_SIZE
from tests.support.commands import run
from tests.support.snapshotters.btrfs import btrfs_snapshotter

pytestmark = pytest.mark.requires("root", "btrfs")

MIB = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A data root with a limited snapshot and a committed one, on a file system with quotas."""
    with btrfs_snapshotter(tmp_path, quota=True) as btrfs:
        btrfs.prepare("a", labels={MAX_SIZE: str(4 * MIB)})
        btrfs.prepare("b", labels={MAX_SIZE: str(4 * MIB)})
        btrfs.commit("c", "b", {MAX_SIZE: str(4 * MIB)})
        btrfs._root.records.flush()
        yield Path(btrfs._root.path)


def wrong(root: Path) -> list[Finding]:
    return [finding for finding in check_quotas(str(root)) if finding.status is not Verdict.OK]


def test_limits_that_match_their_labels_are_not_reported(root: Path) -> None:
    assert wrong(root) == []


@pytest.mark.parametrize("limit", ["none", str(MIB)])
def test_another_limit_is_reported_and_repaired(root: Path, limit: str) -> None:
    run("btrfs", "qgroup", "limit", "-e", limit, root / "snapshots/1/active")
    (finding,) = wrong(root)
    assert f"btrfs qgroup limit -e {4 * MIB}" in finding.remedy
    assert finding.repair
    finding.repair.run()
    assert wrong(root) == []


def test_the_remedy_sets_the_limit_too(root: Path) -> None:
    run("btrfs", "qgroup", "limit", "-e", str(MIB), root / "snapshots/1/active")
    (finding,) = wrong(root)
    run(*finding.remedy.split())
    assert wrong(root) == []


def test_labels_without_quotas_are_reported(root: Path) -> None:
    run("btrfs", "quota", "disable", root)
    (finding,) = wrong(root)
    assert "quotas are off: the label" in finding.found
