"""A start looks at the data of snapshots while clients remove some."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.snapshotters.native import open_native


def test_a_snapshot_that_is_removed_meanwhile_is_not_reported_as_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_native(tmp_path, sync_remove=True) as native:
        native.prepare("making")
        native.commit("committed", "making")
        native.prepare("active", "committed")
        records = list(native._store.records())
        native.remove("active")
        native.remove("committed")
        for record in records:
            native._tidying()._tidy_up_one(record)
        assert [one.getMessage() for one in caplog.records] == []
        assert list((tmp_path / "native/snapshots").iterdir()) == []
        assert list((tmp_path / "native/records").iterdir()) == []
