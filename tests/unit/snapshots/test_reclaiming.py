"""Data without a snapshot is quarantined, and data named by any entry is kept."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss
from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots import Info, Kind
from lamina.snapshots.local import _quarantine as quarantine
from lamina.snapshots.storage import MetaStore, Record
from lamina.snapshots.storage import _layout as layout
from lamina.steps import run
from lamina.store._environment import Transaction
from lamina.store._startup_checks import Checks
from tests.support.snapshotters.native import open_native
from tests.support.waiting import wait_until

NATIVE = layout.NUMBER.pack(1)
SPACE = layout.NUMBER.pack(2)


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that all damage happened after the check at the start."""
    monkeypatch.setattr(Checks, "check", lambda _: [])


def flip(entry: bytes, at: int, bit: int = 0) -> bytes:
    """The same bytes but for one bit."""
    changed = bytearray(entry)
    changed[at] ^= 1 << bit
    return bytes(changed)


def change(tmp_path: Path, body: Callable[[Transaction], object]) -> None:
    """Change the metastore behind the back of its owner."""
    store = MetaStore.open(str(tmp_path / "metastore"))
    store._environment.write(body)
    store.close()


def move(transaction: Transaction, key: bytes, new_key: bytes) -> None:
    """Put what is under a key under another one."""
    value = transaction.get(key)
    assert value is not None
    transaction.delete(key)
    transaction.put(new_key, value)


def populate(tmp_path: Path) -> None:
    """Identifiers 1, 2 and 3: a committed snapshot, one on it, and one by itself; 4 is of no snapshot."""
    with open_native(tmp_path) as native:
        native.prepare("making")
        native.commit("base", "making")
        native.prepare("child", "base")
        native.prepare("alone")
    (tmp_path / "native/snapshots/4").mkdir()


def reclaim(tmp_path: Path) -> int:
    with open_native(tmp_path) as native:
        return native._root.reclaim()


def data(tmp_path: Path) -> set[str]:
    return set(os.listdir(tmp_path / "native/snapshots"))


def quarantined(tmp_path: Path) -> list[str]:
    """Return the names in quarantine without their times."""
    path = tmp_path / "native/quarantine"
    names = sorted(os.listdir(path)) if path.exists() else []
    return [name.partition("-")[0] + (".json" if name.endswith(".json") else "") for name in names]


CASES: dict[str, Callable[[Transaction], object]] = {
    "an identifier's key is another": lambda t: move(
        t, layout.id_key(NATIVE, 3), flip(layout.id_key(NATIVE, 3), -1, 7)
    ),
    "an identifier's key has another prefix": lambda t: move(
        t, layout.id_key(NATIVE, 1), flip(layout.id_key(NATIVE, 1), 0, 2)
    ),
    "an identifier is missing": lambda t: t.delete(layout.id_key(NATIVE, 3)),
    "an identifier leads to another's record": lambda t: t.put(
        layout.id_key(NATIVE, 3), layout.record_key(SPACE, b"base")
    ),
    "an identifier leads nowhere": lambda t: t.put(layout.id_key(NATIVE, 3), b"k"),
    "a record is missing": lambda t: t.delete(layout.record_key(SPACE, b"alone")),
    "a record has another identifier": lambda t: t.put(
        layout.record_key(SPACE, b"alone"), flip(t.get(layout.record_key(SPACE, b"alone"), b""), 8, 2)
    ),
    "a record is cut": lambda t: t.put(
        layout.record_key(SPACE, b"alone"), t.get(layout.record_key(SPACE, b"alone"), b"")[:-1]
    ),
    "a child is missing": lambda t: t.delete(layout.child_key(SPACE, 1, 2)),
    "a child has another parent": lambda t: move(t, layout.child_key(SPACE, 1, 2), layout.child_key(SPACE, 3, 2)),
    "a parent's record and identifier are missing": lambda t: (
        t.delete(layout.record_key(SPACE, b"base")),
        t.delete(layout.id_key(NATIVE, 1)),
    ),
    "the keyspace has another number": lambda t: t.put(
        layout.keyspace_key("native", "native"), layout.NUMBER.pack(3)
    ),
    "the keyspace has another name": lambda t: move(
        t, layout.keyspace_key("native", "native"), layout.keyspace_key("nativd", "native")
    ),
}


@pytest.mark.parametrize("body", CASES.values(), ids=CASES)
def test_nothing_is_reclaimed_while_entries_disagree(
    tmp_path: Path, body: Callable[[Transaction], object], caplog: pytest.LogCaptureFixture
) -> None:
    populate(tmp_path)
    change(tmp_path, body)
    assert reclaim(tmp_path) == 0
    assert data(tmp_path) >= {"1", "2", "3", "4"}
    assert not quarantined(tmp_path)
    assert "nothing is reclaimed" in caplog.text


def test_unknown_data_is_quarantined_with_its_record_if_sources_agree(tmp_path: Path) -> None:
    populate(tmp_path)
    (tmp_path / "native/records/4").write_text(json.dumps({"id": 4}))
    with open_native(tmp_path):
        wait_until(lambda: data(tmp_path) == {"1", "2", "3"}, 60, "4 is in quarantine")
        wait_until(lambda: quarantined(tmp_path) == ["4", "4.json"], 60, "its record as well")
    assert (tmp_path / "native/quarantine").stat().st_mode & 0o777 == 0o700


def test_partial_data_without_a_snapshot_is_deleted_at_once(tmp_path: Path) -> None:
    populate(tmp_path)
    (tmp_path / "native/snapshots/5.new").mkdir()
    with open_native(tmp_path):
        wait_until(lambda: data(tmp_path) == {"1", "2", "3"}, 60, "both are reclaimed")
        wait_until(lambda: not os.listdir(tmp_path / "native/trash"), 60, "the trash is empty")
    assert quarantined(tmp_path) == ["4"]


def test_quarantined_data_can_be_restored_by_a_rename(tmp_path: Path) -> None:
    populate(tmp_path)
    (tmp_path / "native/snapshots/4/f").write_text("precious")
    with open_native(tmp_path):
        wait_until(lambda: quarantined(tmp_path) == ["4"], 60, "4 is in quarantine")
    (found,) = (tmp_path / "native/quarantine").iterdir()
    found.rename(tmp_path / "native/snapshots/4")
    assert (tmp_path / "native/snapshots/4/f").read_text() == "precious"


@pytest.fixture
def filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with identifiers 4, of a month ago, and 5 and 6 of today in quarantine; 6 has a record.

    However full the disk of the tests is, it counts as one with space.
    """
    monkeypatch.setattr(quarantine, "_is_crowded", lambda _: False)
    populate(tmp_path)
    (tmp_path / "native/snapshots/4").rmdir()
    path = tmp_path / "native/quarantine"
    now = f"{quarantine.datetime.now(quarantine.UTC):%Y%m%dT%H%M%S.%fZ}"
    for name in ("4-20200101T000000.000000Z", f"5-{now}", f"6-{now}"):
        (path / name).mkdir(parents=True)
    (path / f"6-{now}.json").touch()
    return tmp_path


def test_quarantined_data_is_deleted_after_its_retention(filled: Path) -> None:
    with open_native(filled) as native:
        wait_until(lambda: quarantined(filled) == ["5", "6", "6.json"], 60, "4 is deleted")
        native.cleanup()
    assert quarantined(filled) == ["5", "6", "6.json"]


def test_on_a_full_disk_only_data_with_a_record_is_kept(filled: Path) -> None:
    with open_native(filled) as native:
        wait_until(lambda: quarantined(filled) == ["5", "6", "6.json"], 60, "reclaiming is done")
        assert native._root.free_space()
        assert quarantined(filled) == ["6", "6.json"]
        assert not native._root.free_space()


def test_the_oldest_data_is_deleted_first_if_space_is_short(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "_is_crowded", lambda _: True)
    with open_native(filled):
        wait_until(lambda: quarantined(filled) == ["6", "6.json"], 60, "what no record knows is deleted")


def test_nothing_in_quarantine_is_deleted_while_entries_disagree(filled: Path) -> None:
    change(filled, lambda t: t.delete(layout.id_key(NATIVE, 3)))
    with open_native(filled) as native:
        assert native._root.reclaim() == 0
        native.cleanup()
        assert not native._root.free_space()
    assert quarantined(filled) == ["4", "5", "6", "6.json"]


def test_a_rename_failing_on_a_full_disk_deletes_only_quarantined_data(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename

    def refuse(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        source_path, target_path = (os.readlink(f"/proc/self/fd/{fd}") for fd in (src_dir_fd, dst_dir_fd))
        if target_path.endswith("/quarantine") and source_path.endswith("/snapshots"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    (filled / "native/snapshots/7").mkdir()
    monkeypatch.setattr(os, "rename", refuse)
    with open_native(filled):
        wait_until(lambda: quarantined(filled) == ["6", "6.json"], 60, "the quarantine made space")
    assert "7" in data(filled)


def test_data_is_created_on_a_full_disk_in_the_space_of_quarantined_data(filled: Path) -> None:
    class Full(NativeBackend):
        """Pretend that the file system is full while 5 exists."""

        def create(self, record: Record, path: str) -> None:
            super().create(record, path)
            if "5" in quarantined(filled):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    with open_native(filled, Full) as native:
        wait_until(lambda: quarantined(filled) == ["5", "6", "6.json"], 60, "reclaiming is done")
        native.prepare("new")
    assert quarantined(filled) == ["6", "6.json"]


def test_the_recovery_record_of_a_snapshot_with_a_lost_identifier_is_kept(tmp_path: Path) -> None:
    """An update rewrites it if the metastore is readable, and keeps it otherwise."""
    populate(tmp_path)
    with open_native(tmp_path) as native:
        native._store._environment.write(lambda t: t.delete(layout.id_key(NATIVE, 3)))
        native.update(native.stat("alone"))
        native._root.records.flush()
    assert (tmp_path / "native/records/3").exists()


def test_a_recovery_record_newer_than_the_metastore_is_reported_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk lost the write of a page: the metastore has a record as it was before an update."""
    populate(tmp_path)
    key = layout.record_key(SPACE, b"alone")
    with open_native(tmp_path) as native:
        before = native._store._environment.read(lambda t: t.get(key, b""))
        native.update(Info("alone", labels={"a": "later"}))
    written = (tmp_path / "native/records/3").read_bytes()
    change(tmp_path, lambda t: t.put(key, before))
    with open_native(tmp_path):
        wait_until(lambda: "recovery record of a snapshot is newer" in caplog.text, 60, "it is reported")
    assert (tmp_path / "native/records/3").read_bytes() == written


@pytest.mark.parametrize("walk", ["records", "named_ids", "walk"])
def test_walks_end_at_keys_out_of_order(tmp_path: Path, walk: str) -> None:
    with open_native(tmp_path) as native:
        for number in range(600):
            keyspace = native._keyspace
            run(keyspace.create(keyspace.draft(Kind.ACTIVE, f"{number:04}", "", {})))
    file = tmp_path / "metastore/data.mdb"
    pages = file.read_bytes()
    for key, lower in (
        (layout.id_key(NATIVE, 512), layout.id_key(NATIVE, 3)),  # where a batch ends
        (layout.record_key(SPACE, b"0100"), layout.record_key(SPACE, b"0000")),
    ):
        assert key in pages
        pages = pages.replace(key, lower)
    file.write_bytes(pages)
    store = MetaStore.open(str(tmp_path / "metastore"))
    native_store = store.snapshotter("native")
    walks = {
        "records": native_store.records,
        "named_ids": native_store.named_ids,
        "walk": native_store.keyspace("native").walk,
    }
    with pytest.raises(DataLoss):
        list(walks[walk]())
    store.close()
