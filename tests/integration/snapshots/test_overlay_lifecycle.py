"""The life cycle of overlay snapshots."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from lamina.errdefs import (
    AlreadyExists,
    DataLoss,
    HasChildren,
    NotFound,
    ResourceExhausted,
)
from lamina.mount import Mount, temporary_mount
from lamina.snapshots import Info, Kind, Usage
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore
from lamina.steps import run
from tests.support.snapshotters.overlay import open_overlay, snapshots, trash_is_empty
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")


def test_usage_is_measured_for_active_and_stored_for_committed_snapshots(
    overlay: LocalSnapshotter,
) -> None:
    with temporary_mount(overlay.prepare("a")) as root:
        before = overlay.usage("a")
        (Path(root) / "f").write_bytes(b"x" * 100_000)
        during = overlay.usage("a")
    assert during.inodes == before.inodes + 1
    assert during.size >= before.size + 100_000
    overlay.commit("c", "a")
    assert overlay.usage("c") == during


def test_a_view_uses_no_space(overlay: LocalSnapshotter) -> None:
    overlay.view("v")
    assert overlay.usage("v") == Usage(0, 0)


def test_removed_data_disappears_at_once_and_is_deleted_in_the_background(
    overlay: LocalSnapshotter, tmp_path: Path
) -> None:
    with temporary_mount(overlay.prepare("a")) as root:
        (Path(root) / "d").mkdir()
    overlay.remove("a")
    assert snapshots(tmp_path) == set()
    wait_until(lambda: trash_is_empty(tmp_path), 60, "the trash is empty")


def test_a_synchronous_removal_deletes_the_data_before_it_returns(tmp_path: Path) -> None:
    with open_overlay(tmp_path, sync_remove=True) as overlay:
        overlay.prepare("a")
        overlay.remove("a")
        assert trash_is_empty(tmp_path)


def test_a_parent_cannot_be_removed_before_its_children(overlay: LocalSnapshotter) -> None:
    overlay.prepare("a")
    overlay.commit("c", "a")
    overlay.view("v", "c")
    with pytest.raises(HasChildren, match="remove"):
        overlay.remove("c")
    overlay.remove("v")
    overlay.remove("c")
    assert list(overlay.walk()) == []


def test_a_failed_prepare_leaves_no_directory(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    overlay.prepare("a")
    before = snapshots(tmp_path)
    with pytest.raises(AlreadyExists):
        overlay.prepare("a")
    with pytest.raises(NotFound):
        overlay.prepare("b", "no such parent")
    assert snapshots(tmp_path) == before


def test_the_upperdir_label_is_shown_and_neither_stored_nor_filtered_by(tmp_path: Path) -> None:
    label = "containerd.io/snapshot/overlay.upperdir"
    with open_overlay(tmp_path, upperdir_label=True) as overlay:
        overlay.prepare("a")
        shown = {label: f"{tmp_path}/overlay/snapshots/1/fs"}
        assert overlay.stat("a").labels == shown
        assert overlay.update(overlay.stat("a"), ("labels.x",)).labels == shown
        assert [info.labels for info in overlay.walk()] == [shown]
        assert list(overlay.walk(f'labels."{label}"')) == []
    with open_overlay(tmp_path) as overlay:
        assert overlay.stat("a").labels == {}


def test_keyspaces_share_the_data_root_and_are_independent(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    other = overlay.keyspace("other")
    overlay.prepare("a")
    other.prepare("a")
    assert snapshots(tmp_path) == {"1", "2"}
    other.remove("a")
    assert overlay.stat("a").kind is Kind.ACTIVE
    assert list(other.walk()) == []


def test_snapshots_persist_after_reopening(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        with temporary_mount(overlay.prepare("a")) as root:
            (Path(root) / "f").write_text("kept")
        before = overlay.stat("a"), overlay.mounts("a")
    with open_overlay(tmp_path) as overlay:
        assert (overlay.stat("a"), overlay.mounts("a")) == before
        with temporary_mount(overlay.mounts("a")) as root:
            assert (Path(root) / "f").read_text() == "kept"


def test_closing_twice_is_allowed(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        overlay.close()


def test_directories_lost_in_a_power_failure_are_recreated_after_the_next_boot(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("a")
        overlay._store.remember_boot("an earlier boot")
    (tmp_path / "overlay/snapshots/1/fs").rmdir()
    (tmp_path / "overlay/snapshots/1/work").rmdir()
    (tmp_path / "overlay/snapshots/1").rmdir()
    with open_overlay(tmp_path) as overlay, temporary_mount(overlay.mounts("a")) as root:
        (Path(root) / "f").touch()


def test_recovery_records_suffice_to_rebuild_the_metastore(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    overlay.prepare("base-key", labels={"l": "v"})
    overlay.commit("base", "base-key", {"x": "y"})
    overlay.keyspace("other").view("v")
    overlay.prepare("a", "base")
    overlay.update(Info("a", labels={"new": "label"}))
    records = tmp_path / "overlay/records"
    overlay.cleanup()
    documents = {name: json.loads((records / name).read_text()) for name in sorted(os.listdir(records))}
    assert documents.keys() == {"1", "2", "3"}
    found = {
        name: tuple(document[field] for field in ("keyspace", "key", "kind", "parent", "parent_ids", "labels"))
        for name, document in documents.items()
    }
    assert found == {
        "1": ("overlayfs", "base", "committed", "", [], {"x": "y"}),
        "2": ("other", "v", "view", "", [], {}),
        "3": ("overlayfs", "a", "active", "base", [1], {"new": "label"}),
    }


def test_a_removal_deletes_the_recovery_record(overlay: LocalSnapshotter, tmp_path: Path) -> None:
    records = tmp_path / "overlay/records"
    overlay.prepare("a")
    wait_until(lambda: os.listdir(records) == ["1"], 60, "its record is there")
    overlay.remove("a")
    wait_until(lambda: os.listdir(records) == [], 60, "its record is gone")


def test_a_full_disk_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    """With the metastore on a file system of 2 MiB, acknowledged snapshots remain."""
    with temporary_mount([Mount("tmpfs", "tmpfs", ("size=2m",))], directory=tmp_path) as small:
        store = MetaStore.open(small)
        keyspace = store.snapshotter("overlayfs").keyspace("lamina")
        created: list[str] = []

        def fill() -> None:
            for number in range(10_000):
                run(keyspace.create(keyspace.draft(Kind.ACTIVE, f"{number:05}", "", {"l": "v" * 2000})))
                created.append(f"{number:05}")

        with pytest.raises(ResourceExhausted):
            fill()
        assert len(created) > 100
        assert [record.info.name for record in keyspace.walk()] == created
        run(keyspace.remove(created.pop()))
        store.close()
        store = MetaStore.open(small)
        keyspace = store.snapshotter("overlayfs").keyspace("lamina")
        assert [record.info.name for record in keyspace.walk()] == created
        store.close()


def test_a_lost_layer_does_not_affect_other_snapshots(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("making base")
        overlay.commit("base", "making base")
        overlay.prepare("child", "base")
        overlay.prepare("other")
        overlay._store.remember_boot("an earlier boot")
    for id_ in ("1", "2"):
        shutil.rmtree(tmp_path / "overlay/snapshots" / id_)
    with open_overlay(tmp_path) as overlay:
        assert overlay.mounts("other")
        with pytest.raises(DataLoss, match="missing"):
            overlay.prepare("another", "base")
        assert overlay.stat("base").kind is Kind.COMMITTED
