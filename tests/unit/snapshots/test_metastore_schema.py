"""Stores of other schema versions are migrated or refused."""

from __future__ import annotations

import struct
from pathlib import Path

import lmdb
import pytest

from lamina.errdefs import DataLoss, FailedPrecondition
from lamina.snapshots import Info, Kind, Usage
from lamina.snapshots.storage import MetaStore, Record
from lamina.snapshots.storage import _layout as layout
from lamina.steps import run
from lamina.store import _checksum as checksum
from lamina.store._checksum import check, has_checksum
from lamina.store._environment import Transaction
from lamina.store._format import SCHEMA
from tests.support.metastores import schema_2


def test_a_store_of_a_newer_lamina_is_refused(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path))
    store._environment.write(lambda transaction: transaction.put(layout.SCHEMA_KEY, b"5"))
    store._environment.write(lambda transaction: checksum.put(transaction, layout.VERSION, b"5"))
    store.close()
    with pytest.raises(FailedPrecondition, match="schema version 5"):
        MetaStore.open(str(tmp_path))
    # the refusal has released the lock
    with pytest.raises(FailedPrecondition, match="schema version 5"):
        MetaStore.open(str(tmp_path))


def test_opening_a_store_of_the_current_schema_commits_nothing(tmp_path: Path) -> None:
    last: list[int] = []
    for _ in range(2):
        store = MetaStore.open(str(tmp_path))
        last.append(store._environment.read(lambda transaction: transaction.id()))
        store.close()
    assert last[0] == last[1]


OLD_RECORD = bytes.fromhex(
    "030000000000000007000000006553f100075bcd15000000006553f1003b9ac9ff000000000000100000000000000000020000000500"
    "00000400000002000000026c617965726261736500000000000000050000000000000003000000010000000161310000001500000000"
    "636f6e7461696e6572642e696f2f67632e726f6f74"
)
"""As it was stored by schema version 1."""
NEW_RECORD = Record(
    7,
    Info(
        "layer",
        Kind.COMMITTED,
        "base",
        {"a": "1", "containerd.io/gc.root": ""},
        created=1700000000_123456789,
        updated=1700000000_999999999,
    ),
    Usage(4096, 2),
    (5, 3),
)


def old_record(id_: int, name: str, parent: str, *parent_ids: int) -> bytes:
    """A committed snapshot without labels, as schema version 1 stored it."""
    head = struct.pack(
        ">BQqIqIqqIIII", Kind.COMMITTED, id_, 0, 0, 0, 0, 0, 0, len(name), len(parent), len(parent_ids), 0
    )
    return head + name.encode() + parent.encode() + struct.pack(f">{len(parent_ids)}Q", *parent_ids)


def store_as_before(path: Path, *records: bytes) -> None:
    """Put records named `layer`, `layer1`, … on two parents into a store, as schema version 1 has them."""
    store = MetaStore.open(str(path))
    overlayfs = store.snapshotter("overlayfs")
    keyspace = overlayfs.keyspace("lamina")
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, "other", "", {})))

    def put(transaction: Transaction) -> None:
        space, number = layout.NUMBER.pack(2), overlayfs.number
        transaction.delete(layout.record_key(space, b"other"))
        transaction.delete(layout.id_key(number, 1))
        snapshots = {
            b"bottom": (3, 0, old_record(3, "bottom", "")),
            b"base": (5, 3, old_record(5, "base", "bottom", 3)),
            **{f"layer{n or ''}".encode(): (7, 5, data) for n, data in enumerate(records)},
        }
        for name, (id_, parent_id, data) in snapshots.items():
            key = layout.record_key(space, name)
            transaction.put(key, data)
            transaction.put(layout.id_key(number, id_), key)
            if parent_id:
                transaction.put(layout.child_key(space, parent_id, id_), name)
        transaction.put(layout.SCHEMA_KEY, b"1")
        transaction.delete(layout.VERSION)

    store._environment.write(put)
    store.close()


def test_a_store_of_an_earlier_lamina_is_migrated_once(tmp_path: Path) -> None:
    store_as_before(tmp_path, OLD_RECORD)
    for _ in range(2):
        store = MetaStore.open(str(tmp_path))
        assert store.snapshotter("overlayfs").keyspace("lamina").get("layer") == NEW_RECORD
        store.close()


def test_a_store_that_cannot_be_migrated_is_unchanged(tmp_path: Path) -> None:
    store_as_before(tmp_path, OLD_RECORD, OLD_RECORD[:-1])
    for _ in range(2):
        with pytest.raises(DataLoss, match="cannot be read"):
            MetaStore.open(str(tmp_path))


def test_many_records_are_migrated(tmp_path: Path) -> None:
    store_as_before(tmp_path, *[OLD_RECORD] * 2000)
    store = MetaStore.open(str(tmp_path))
    records = list(store.snapshotter("overlayfs").keyspace("lamina").walk())
    assert [record for record in records if record.info.name == "layer"] == [NEW_RECORD] * 2000
    store.close()


def entries(path: Path) -> dict[bytes, bytes]:
    """All that is stored in the metastore of a directory."""
    with lmdb.open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
        return dict(transaction.cursor())


def test_a_store_of_schema_version_2_serves_its_records(tmp_path: Path) -> None:
    schema_2.write_schema_2(tmp_path / "old")
    for _ in range(2):
        store = MetaStore.open(str(tmp_path / "old"))
        assert store.uuid == schema_2.UUID
        assert store.snapshotter("overlayfs").boot() == schema_2.BOOT
        for (snapshotter, keyspace), records in schema_2.RECORDS.items():
            assert list(store.snapshotter(snapshotter).keyspace(keyspace).walk()) == records
        store.close()


def test_an_earlier_lamina_reads_the_schema_version_of_the_present_one(tmp_path: Path) -> None:
    """An older lamina refuses it: `has schema version 4, this lamina reads up to 2: upgrade lamina`."""
    schema_2.write_schema_2(tmp_path / "old")
    MetaStore.open(str(tmp_path / "old")).close()
    assert int(entries(tmp_path / "old")[b"mschema"]) == SCHEMA == 4


def test_other_entries_get_checksums_at_the_first_opening(tmp_path: Path) -> None:
    schema_2.write_schema_2(tmp_path / "old")
    MetaStore.open(str(tmp_path / "old")).close()
    without = {key for key, value in entries(tmp_path / "old").items() if not has_checksum(value)}
    assert {key[:1] for key in without - {b"mschema"}} == {b"k", b"i", b"c"}


def test_records_and_indexes_get_checksums_later_without_other_changes(tmp_path: Path) -> None:
    schema_2.write_schema_2(tmp_path / "old")
    before = entries(tmp_path / "old")
    store = MetaStore.open(str(tmp_path / "old"))
    assert [sum(store.snapshotter(name).add_checksums()) for name in ("overlayfs", "native")] == [13, 2]
    assert [sum(store.snapshotter(name).add_checksums()) for name in ("overlayfs", "native")] == [0, 0]
    store.close()
    after = entries(tmp_path / "old")
    assert {key for key, value in after.items() if not has_checksum(value)} == {b"mschema"}
    assert {key: check(key, after[key]) for key in before if key[:1] in b"kic"} == {
        key: value for key, value in before.items() if key[:1] in b"kic"
    }


def test_a_store_of_schema_version_3_is_changed_only_in_its_version(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path))
    keyspace = store.snapshotter("overlayfs").keyspace("lamina")
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, "other", "", {})))
    store._environment.write(lambda transaction: transaction.put(layout.SCHEMA_KEY, b"3"))
    store._environment.write(lambda transaction: checksum.put(transaction, layout.VERSION, b"3"))
    store.close()
    before = entries(tmp_path)
    for _ in range(2):
        store = MetaStore.open(str(tmp_path))
        assert not list(store.table("notes", 1).walk())
        store.close()
    after = entries(tmp_path)
    assert after[layout.SCHEMA_KEY] == b"4"
    changed = {key for key in before if after[key] != before[key]}
    assert changed == {layout.SCHEMA_KEY, layout.VERSION}
