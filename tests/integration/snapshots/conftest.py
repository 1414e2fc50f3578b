"""Real snapshotters on real directories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.btrfs import mounted_btrfs, open_btrfs
from tests.support.snapshotters.overlay import open_overlay


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_overlay(tmp_path) as snapshotter:
        yield snapshotter


@pytest.fixture
def mountpoint(tmp_path: Path) -> Iterator[Path]:
    with mounted_btrfs(tmp_path) as path:
        yield path


@pytest.fixture
def btrfs(mountpoint: Path, tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_btrfs(tmp_path) as snapshotter:
        yield snapshotter
