"""After a failed sync, commits of active snapshots are refused for good."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from lamina.errdefs import DataLoss
from lamina.snapshots import Kind, Usage
from lamina.snapshots.storage import Keyspace, MetaStore, Record, SnapshotterStore
from lamina.snapshots.storage._salvage import salvage
from lamina.steps import run
from tests.support.waiting import wait_until

SECONDS = 60.0


@attrs.frozen
class Opened:
    metastore: MetaStore
    store: SnapshotterStore
    keyspace: Keyspace
    state: Path

    def prepare(self, key: str) -> Record:
        return run(self.keyspace.create(self.keyspace.draft(Kind.ACTIVE, key, "", {})))

    def commit(self, name: str, draft: Record) -> Record:
        return run(self.keyspace.commit(name, draft, {}, "", Usage()))

    def files(self) -> list[str]:
        return [name for name in os.listdir(self.state) if name.startswith("failed-sync")]


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[Opened]:
    """A store with its state, as one process has it; at the end of the block it has ended."""
    metastore = MetaStore.open(str(directory / "metastore"), str(directory / "state"))
    store = metastore.snapshotter("overlayfs")
    try:
        yield Opened(metastore, store, store.keyspace("lamina"), directory / "state")
    finally:
        store.failed_sync.close()
        metastore.close()


def test_all_active_snapshots_of_that_time_stay_refused_and_later_ones_are_not(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        first, second = one.prepare("first"), one.prepare("second")
        one.store.sync_failed()
        later = one.prepare("later")
        for draft in (first, second, first):
            with pytest.raises(DataLoss, match="remove it and prepare it again"):
                one.commit("c", draft)
        one.commit("c", later)


def test_refused_snapshots_are_refused_before_anything_is_done_for_the_commit(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        one.prepare("first")
        one.store.sync_failed()
        with pytest.raises(DataLoss):
            one.keyspace.check_commit("c", "first", "")


def test_a_sync_that_fails_between_the_check_and_the_transaction_is_seen(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        one.prepare("first")
        draft = one.keyspace.check_commit("c", "first", "")
        one.store.sync_failed()
        with pytest.raises(DataLoss):
            one.commit("c", draft)


def test_reserved_identifiers_count(tmp_path: Path) -> None:
    """Their data may have been written before the sync failed."""
    with opened(tmp_path) as one:
        draft = one.keyspace.draft(Kind.ACTIVE, "first", "", {})
        one.store.sync_failed()
        with pytest.raises(DataLoss):
            one.commit("c", run(one.keyspace.create(draft)))


def test_committed_snapshots_and_other_snapshotters_are_untouched(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        one.commit("c", one.prepare("first"))
        one.store.sync_failed()
        run(one.keyspace.create(one.keyspace.draft(Kind.ACTIVE, "child", "c", {})))
        assert one.keyspace.get("c").info.kind is Kind.COMMITTED
    metastore = MetaStore.open(str(tmp_path / "metastore"))
    keyspace = metastore.snapshotter("native").keyspace("lamina")
    active = run(keyspace.create(keyspace.draft(Kind.ACTIVE, "first", "", {})))
    run(keyspace.commit("c", active, {}, "", Usage()))
    metastore.close()


def test_a_new_process_refuses_snapshots_marked_in_the_metastore(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        active = one.prepare("first")
        one.store.sync_failed()
        wait_until(lambda: not one.files(), SECONDS, "the metastore has it, and the file is gone")
    with opened(tmp_path) as one:
        with pytest.raises(DataLoss):
            one.commit("c", active)
        one.commit("c", one.prepare("later"))


def test_a_new_process_refuses_snapshots_marked_in_the_file_and_copies_the_mark(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        active = one.prepare("first")
        one.store.failed_sync.close()  # as if the process ended before the metastore had it
        one.store.sync_failed()
        assert one.files()
    with opened(tmp_path) as one:
        with pytest.raises(DataLoss):
            one.commit("c", active)
        one.store.failed_sync.start()
        wait_until(lambda: not one.files(), SECONDS, "the metastore has it, and the file is gone")
    with opened(tmp_path) as one, pytest.raises(DataLoss):
        one.commit("c", active)


def test_an_unreadable_file_marks_all_earlier_snapshots(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        active = one.prepare("first")
        one.store.failed_sync.close()
        one.store.sync_failed()
        (name,) = one.files()
        (one.state / name).write_text("torn")
    with opened(tmp_path) as one:
        with pytest.raises(DataLoss):
            one.commit("c", active)
        one.commit("c", one.prepare("later"))


def test_a_commit_stores_the_failed_sync_in_the_metastore(tmp_path: Path) -> None:
    """The failure is as durable as any later commit."""
    with opened(tmp_path) as one:
        active = one.prepare("first")
        one.store.failed_sync.close()
        one.store.sync_failed()
        one.commit("c", one.prepare("later"))
        for name in one.files():
            (one.state / name).unlink()  # a reboot
    with opened(tmp_path) as one, pytest.raises(DataLoss):
        one.commit("d", active)


def test_the_recording_thread_ends_with_its_work(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with opened(tmp_path) as one:
        for _ in range(3):
            one.store.sync_failed()
            wait_until(lambda: before >= set(threading.enumerate()), SECONDS, "the thread has ended")
            assert not one.files()


def test_a_failure_is_remembered_of_its_snapshotter_when_a_salvage_renumbers_them(tmp_path: Path) -> None:
    with opened(tmp_path) as one:  # the first one is number 1, and behind "another" in the order of names
        draft = one.prepare("draft")
        one.metastore.snapshotter("another/one")
        one.store.failed_sync.close()  # nothing takes the failure to the metastore
        one.store.sync_failed()
    assert list((tmp_path / "state").glob("failed-sync-*"))
    salvage(str(tmp_path / "metastore"), ["a test"])
    with opened(tmp_path) as one:
        assert one.metastore.snapshotter("another/one").number == b"\0\0\0\1"
        with pytest.raises(DataLoss, match="remove it and prepare it again"):
            one.commit("c", draft)


def test_a_file_named_by_number_of_an_earlier_version_counts(tmp_path: Path) -> None:
    with opened(tmp_path) as one:
        draft = one.prepare("draft")
        uuid = one.store.uuid
    (tmp_path / "state" / f"failed-sync-{uuid}-00000001").write_text(f"{draft.id}\n")
    for _ in range(2):
        with opened(tmp_path) as one:
            with pytest.raises(DataLoss, match="remove it and prepare it again"):
                one.commit("c", draft)
            assert one.files() == [f"failed-sync-{uuid}-overlayfs"]
