"""Versions of the metastore and of what a snapshotter returns."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lamina.errdefs import ResourceExhausted
from lamina.mount import Mount
from lamina.plugins.snapshots.native import NativeBackend
from lamina.plugins.snapshots.overlay import OverlayBackend
from lamina.snapshots import Info, Usage
from lamina.snapshots.labels import GID_MAPPING, UID_MAPPING
from lamina.snapshots.local import Backend
from lamina.snapshots.storage import Keyspace, MetaStore, Record
from lamina.steps import run
from tests.support.snapshotters.local import open_local
from tests.unit.snapshots.test_metastore_outage import create, descriptors, replaced

DEADLINE = 60


def label(keyspace: Keyspace, value: str) -> None:
    run(keyspace.update(Info("a", labels={"l": value})))


def test_a_version_stays_until_a_commit(keyspace: Keyspace) -> None:
    create(keyspace, "a")
    versions = [keyspace.version()]
    for value in "12":
        label(keyspace, value)
        assert keyspace.version() == keyspace.version()
        versions.append(keyspace.version())
    assert None not in versions
    assert len(set(versions)) == len(versions)


def test_a_record_comes_with_the_version_in_which_it_was_read(keyspace: Keyspace) -> None:
    create(keyspace, "a")
    assert keyspace.get_data("a")[1] == keyspace.get_mountable("a")[1] == keyspace.version()


def test_a_commit_of_any_owner_makes_another_version(store: MetaStore, keyspace: Keyspace) -> None:
    create(keyspace, "a")
    before = keyspace.version()
    store.table("notes", 1).write(lambda transaction: transaction.put(b"a", b"b"))
    assert keyspace.version() != before


def test_a_metastore_that_was_opened_again_has_other_versions(store: MetaStore, keyspace: Keyspace) -> None:
    """Its transactions may have the numbers of earlier ones."""
    create(keyspace, "a")
    before = keyspace.version()
    (meta,) = descriptors(store, os.O_DSYNC)
    with replaced(meta, "/dev/full", os.O_WRONLY), pytest.raises(ResourceExhausted):
        create(keyspace, "b")
    assert keyspace.get("a").info.name == "a"
    assert keyspace.version() not in {None, before}


def test_there_is_no_version_while_a_read_would_wait(store: MetaStore, keyspace: Keyspace) -> None:
    create(keyspace, "a")
    found: list[object] = []
    with store._environment._gate.alone():
        thread = threading.Thread(target=lambda: found.append(keyspace.version()), daemon=True)
        thread.start()
        thread.join(DEADLINE)
        assert found == [None]
    assert keyspace.version() is not None


def test_there_is_no_version_of_a_closed_metastore(store: MetaStore, keyspace: Keyspace) -> None:
    create(keyspace, "a")
    store.close()
    assert keyspace.version() is None


class Unknown(Backend):
    """A backend that promises nothing."""

    def create(self, record: Record, path: str) -> None:
        os.mkdir(path)

    def mounts(self, record: Record) -> list[Mount]:
        return [Mount(type="bind", source=self.path(record.id))]

    def usage(self, record: Record) -> Usage:
        return Usage()


@pytest.mark.parametrize(("backend", "promises"), [(Unknown, False), (NativeBackend, True)])
def test_results_have_versions_if_the_backend_promises_that_they_last(
    tmp_path: Path, backend: type[Backend], promises: bool
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    with open_local(tmp_path / "metastore", backend(str(root)), "plain") as snapshotter:
        snapshotter.prepare("own")
        for _, version in (snapshotter.versioned_stat_message("own"), snapshotter.versioned_mounts("own")):
            assert (version == snapshotter.version()) is promises
            assert (version is None) is not promises


def test_the_mounts_of_a_snapshot_with_mapped_ids_have_no_version(tmp_path: Path) -> None:
    """They depend on who owns the parent's files."""
    root = tmp_path / "data"
    root.mkdir()
    labels = {UID_MAPPING: "0:1000:1", GID_MAPPING: "0:1000:1"}
    with open_local(tmp_path / "metastore", OverlayBackend(str(root), remap_ids=True), "overlayfs") as snapshotter:
        snapshotter.prepare("plain")
        snapshotter.prepare("mapped", labels=labels)
        assert snapshotter.versioned_mounts("plain")[1] == snapshotter.version()
        assert snapshotter.versioned_mounts("mapped")[1] is None
        assert snapshotter.versioned_stat_message("mapped")[1] == snapshotter.version()
