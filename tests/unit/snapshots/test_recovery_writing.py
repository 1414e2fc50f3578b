"""The files that the metastore could be made anew from are written behind, and none is forgotten."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from lamina.snapshots import Kind
from lamina.snapshots.local._recovery import RecoveryRecords
from lamina.snapshots.storage import MetaStore, SnapshotterStore


@pytest.fixture
def overlayfs(store: MetaStore) -> SnapshotterStore:
    return store.snapshotter("overlayfs")


def create(overlayfs: SnapshotterStore, key: str) -> int:
    """Create a snapshot; returns its identifier."""
    keyspace = overlayfs.keyspace("overlayfs")
    return keyspace.create(keyspace.draft(Kind.ACTIVE, key, "", {})).id


def test_closing_writes_what_no_thread_has_come_to_write(tmp_path: Path, overlayfs: SnapshotterStore) -> None:
    (tmp_path / "records").mkdir()
    id_ = create(overlayfs, "k")
    records = RecoveryRecords(str(tmp_path / "records"), overlayfs)
    records.write(id_)
    records.close()
    assert json.loads((tmp_path / "records" / str(id_)).read_text())["key"] == "k"


def test_what_could_not_be_written_is_written_with_the_next_change(
    tmp_path: Path, overlayfs: SnapshotterStore
) -> None:
    first, second = create(overlayfs, "a"), create(overlayfs, "b")
    records = RecoveryRecords(str(tmp_path / "records"), overlayfs)
    records.write(first)
    records.flush()  # there is no such directory
    (tmp_path / "records").mkdir()
    records.write(second)
    records.flush()
    assert {path.name for path in (tmp_path / "records").iterdir()} == {str(first), str(second)}


def test_the_log_tells_once_that_writing_fails_and_once_that_it_works_again(
    tmp_path: Path, overlayfs: SnapshotterStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full for a while does not fill the log too."""
    caplog.set_level(logging.INFO, "lamina.snapshots.local")
    ids = [create(overlayfs, key) for key in "abc"]
    records = RecoveryRecords(str(tmp_path / "records"), overlayfs)
    for id_ in ids:
        records.write(id_)
        records.flush()
    (tmp_path / "records").mkdir()
    for _ in range(2):
        records.write(ids[0])
        records.flush()
    assert [record.message for record in caplog.records] == [
        "cannot write recovery records, will try again",
        "recovery records are written again",
    ]
