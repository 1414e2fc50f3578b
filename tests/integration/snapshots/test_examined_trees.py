"""Data that is not what a backend makes is found by `lamina doctor`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.plugin import Finding, Verdict
from lamina.plugins.snapshots._trees import examine_trees, is_directory
from lamina.plugins.snapshots.btrfs._backend import ACTIVE, COMMITTED, VIEW
from lamina.plugins.snapshots.btrfs._subvolume import is_subvolume
from tests.support.commands import run
from tests.support.snapshotters.btrfs import btrfs_snapshotter

pytestmark = pytest.mark.requires("root", "btrfs")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A data root with a committed snapshot, an active one and a view on it."""
    with btrfs_snapshotter(tmp_path) as btrfs:
        btrfs.prepare("a")
        btrfs.commit("base", "a")
        btrfs.prepare("box", "base")
        btrfs.view("look", "base")
        btrfs._root.records.flush()
        yield Path(btrfs._root.path)


def wrong(root: Path, is_tree: Callable[[str], bool] = is_subvolume) -> list[Finding]:
    found = examine_trees(str(root), [ACTIVE, VIEW, COMMITTED], is_tree)
    return [finding for finding in found if finding.status is not Verdict.OK]


def test_the_subvolumes_that_a_backend_made_are_trees(root: Path) -> None:
    assert wrong(root) == []


def test_a_subvolume_replaced_by_a_copy_of_its_files_is_no_tree(root: Path) -> None:
    run("btrfs", "subvolume", "delete", root / "snapshots/2/active")
    (root / "snapshots/2/active").mkdir()
    (finding,) = wrong(root)
    assert "active snapshot 'box' (identifier 2) has none" in finding.found
    assert "before the next start of the host" in finding.remedy
    assert wrong(root, is_directory) == []


@pytest.mark.parametrize(
    "place", [lambda path: path.touch(), lambda path: path.symlink_to("3")], ids=["file", "link"]
)
def test_a_file_or_a_link_is_no_tree(root: Path, place: Callable[[Path], None]) -> None:
    os.rename(root / "snapshots/1", root / "aside")
    place(root / "snapshots/1")
    (finding,) = wrong(root)
    assert "committed snapshot 'base' (identifier 1) has none" in finding.found
    (root / "snapshots/1").unlink()
    os.rename(root / "aside", root / "snapshots/1")


def test_data_without_a_recovery_record_is_not_a_matter_of_trees(root: Path) -> None:
    (root / "snapshots/99").mkdir()
    assert wrong(root) == []
    shutil.rmtree(root / "snapshots/99")
