"""Unknown data at the path of a new snapshot is not touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition
from tests.support.snapshotters.native import open_native


def make_file(path: Path) -> Path:
    path.write_text("precious")
    return path


def make_directory(path: Path) -> Path:
    path.mkdir()
    return make_file(path / "file")


@pytest.mark.parametrize("make", [make_file, make_directory])
def test_foreign_data_is_neither_overwritten_nor_deleted(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    with open_native(tmp_path) as snapshotter:
        precious = make(tmp_path / "native/snapshots/1")
        with pytest.raises(FailedPrecondition, match="Nothing there was touched"):
            snapshotter.prepare("a")
        snapshotter.cleanup()
        assert list(snapshotter.walk()) == []
    assert precious.read_text() == "precious"
