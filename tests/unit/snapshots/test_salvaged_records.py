"""Stale records of removed snapshots in a damaged metastore."""

from __future__ import annotations

import shutil
from pathlib import Path

from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import _layout as layout
from lamina.store import _checksum as checksum
from tests.support.snapshotters.native import open_native


def listed(snapshotter: LocalSnapshotter) -> list[str]:
    return [info.name for info in snapshotter.walk()]


def bring_back_removed(path: Path, *, salvaged: bool) -> None:
    """Make a metastore that lists `kept`, and `removed` with a child, which are removed since."""
    with open_native(path) as native:
        native.prepare("kept")
        native.prepare("making")
        native.commit("removed", "making")
        native.prepare("child", "removed")
        keyspace = native._keyspace
        records = [keyspace.get("removed"), keyspace.get("child")]
        native.remove("child")
        native.remove("removed")
        native.cleanup()
        environment, table = native._store._environment, keyspace._table
        space = environment.read(table.number)
        for record in records:
            environment.write(lambda transaction, record=record: table.put(transaction, space, record))
        if salvaged:
            environment.write(lambda transaction: checksum.put(transaction, layout.SALVAGED, b"now"))


def test_they_are_dropped_without_data_and_recovery_record(tmp_path: Path) -> None:
    bring_back_removed(tmp_path, salvaged=True)
    with open_native(tmp_path) as native:
        assert listed(native) == ["kept"]


def test_they_are_kept_with_a_recovery_record(tmp_path: Path) -> None:
    bring_back_removed(tmp_path, salvaged=True)
    (tmp_path / "native/records/3").touch()
    with open_native(tmp_path) as native:
        assert listed(native) == ["child", "kept", "removed"]


def test_an_empty_layer_that_was_not_synced_is_kept(tmp_path: Path) -> None:
    """A power cut loses its data and its recovery record, as a removal does."""
    with open_native(tmp_path) as native:
        for parent, name in (("", "base"), ("base", "layer")):
            native.prepare("making", parent)
            native.commit(name, "making")
        native._root.records.flush()
        shutil.rmtree(tmp_path / "native/snapshots/2")
        (tmp_path / "native/records/2").unlink()
        environment = native._store._environment
        environment.write(lambda transaction: checksum.put(transaction, layout.SALVAGED, b"now"))
    with open_native(tmp_path) as native:
        assert listed(native) == ["base", "layer"]


def test_an_undamaged_metastore_loses_no_record(tmp_path: Path) -> None:
    bring_back_removed(tmp_path, salvaged=False)
    with open_native(tmp_path) as native:
        assert listed(native) == ["child", "kept", "removed"]
