"""The files that the metastore could be made anew from are written behind, and none is forgotten."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.snapshots import Kind
from lamina.snapshots.local._rescue import RescueRecords
from lamina.snapshots.storage import MetaStore, SnapshotterStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SnapshotterStore]:
    with contextlib.closing(MetaStore.open(str(tmp_path / "metastore"))) as metastore:
        yield metastore.snapshotter("overlayfs")


def create(store: SnapshotterStore, key: str) -> int:
    """Create a snapshot; returns its identifier."""
    keyspace = store.keyspace("overlayfs")
    return keyspace.create(keyspace.draft(Kind.ACTIVE, key, "", {})).id


def test_closing_writes_what_no_thread_has_come_to_write(tmp_path: Path, store: SnapshotterStore) -> None:
    (tmp_path / "records").mkdir()
    id_ = create(store, "k")
    records = RescueRecords(str(tmp_path / "records"), store)
    records.write(id_)
    records.close()
    assert json.loads((tmp_path / "records" / str(id_)).read_text())["key"] == "k"


def test_what_could_not_be_written_is_written_with_the_next_change(
    tmp_path: Path, store: SnapshotterStore
) -> None:
    first, second = create(store, "a"), create(store, "b")
    records = RescueRecords(str(tmp_path / "records"), store)
    records.write(first)
    records.flush()  # there is no such directory
    (tmp_path / "records").mkdir()
    records.write(second)
    records.flush()
    assert {path.name for path in (tmp_path / "records").iterdir()} == {str(first), str(second)}


def test_the_log_tells_once_that_writing_fails_and_once_that_it_works_again(
    tmp_path: Path, store: SnapshotterStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full for a while does not fill the log too."""
    caplog.set_level(logging.INFO, "lamina.snapshots.local")
    ids = [create(store, key) for key in "abc"]
    records = RescueRecords(str(tmp_path / "records"), store)
    for id_ in ids:
        records.write(id_)
        records.flush()
    (tmp_path / "records").mkdir()
    for _ in range(2):
        records.write(ids[0])
        records.flush()
    assert [record.message for record in caplog.records] == [
        "cannot write rescue records, will try again",
        "rescue records are written again",
    ]
