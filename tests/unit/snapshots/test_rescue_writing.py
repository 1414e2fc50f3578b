"""The files that the metastore could be made anew from are written behind, and none is forgotten."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from lamina.snapshots import Kind
from lamina.snapshots.local._rescue import RescueRecords
from lamina.snapshots.storage import MetaStore


def test_closing_writes_what_no_thread_has_come_to_write(tmp_path: Path) -> None:
    directory = tmp_path / "records"
    directory.mkdir()
    with contextlib.closing(MetaStore.open(str(tmp_path / "metastore"))) as metastore:
        store = metastore.snapshotter("overlayfs")
        keyspace = store.keyspace("overlayfs")
        record = keyspace.create(keyspace.draft(Kind.ACTIVE, "k", "", {}))
        records = RescueRecords(str(directory), store)
        records.write(record.id)
        records.close()
    assert json.loads((directory / str(record.id)).read_text())["key"] == "k"
