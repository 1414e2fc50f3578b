"""A real overlay snapshotter on real directories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from overlays import open_overlay

from lamina.snapshots.local import LocalSnapshotter


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_overlay(tmp_path) as snapshotter:
        yield snapshotter
