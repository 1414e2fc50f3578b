"""A store by itself, without snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, LockHeld
from lamina.snapshots import Kind
from lamina.snapshots.storage import MetaStore
from lamina.steps import run
from lamina.store import Store, _startup_checks


def test_a_store_keeps_its_uuid_and_is_opened_once_at_a_time(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    with pytest.raises(LockHeld):
        Store.open(str(tmp_path))
    store.close()
    again = Store.open(str(tmp_path))
    assert again.uuid == store.uuid
    again.close()


def test_a_store_and_a_metastore_open_each_others_files(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    store.table("notes", 1).write(lambda transaction: transaction.put(b"k", b"v"))
    store.close()
    metastore = MetaStore.open(str(tmp_path))
    keyspace = metastore.snapshotter("native").keyspace("native")
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, "a", "", {})))
    metastore.close()
    store = Store.open(str(tmp_path))
    assert store.uuid == metastore.uuid
    assert store.table("notes", 1).get(b"k") == b"v"
    store.close()


@pytest.mark.parametrize("large", [False, True])
def test_a_damaged_store_is_refused_and_unchanged(
    tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(_startup_checks, "SMALL", 0)
        monkeypatch.setattr(_startup_checks, "LARGE", 0)
    store = Store.open(str(tmp_path))
    store.table("notes", 1).write(lambda transaction: transaction.put(b"key", b"value"))
    store.close()
    (tmp_path / "closed").unlink(missing_ok=True)
    file = tmp_path / "data.mdb"
    damaged = file.read_bytes().replace(b"value", b"other")
    file.write_bytes(damaged)
    with pytest.raises(DataLoss, match="entry 'key' of notes has a wrong checksum"):
        Store.open(str(tmp_path))
    assert file.read_bytes() == damaged
