"""Recovery records are written in the background, and none is forgotten."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import resource
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lamina.diagnosis.host import examination
from lamina.fs import SecureDirectory
from lamina.snapshots import Kind
from lamina.snapshots.local import _recovery
from lamina.snapshots.local._progress import Progress
from lamina.snapshots.local._recovery import RecoveryRecords
from lamina.snapshots.storage import MetaStore, SnapshotterStore
from lamina.steps import run
from tests.support.waiting import wait_until


@pytest.fixture
def overlayfs(store: MetaStore) -> SnapshotterStore:
    return store.snapshotter("overlayfs")


def create(overlayfs: SnapshotterStore, key: str) -> int:
    """Create a snapshot; returns its identifier."""
    keyspace = overlayfs.keyspace("overlayfs")
    return run(keyspace.create(keyspace.draft(Kind.ACTIVE, key, "", {}))).id


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[SecureDirectory]:
    with SecureDirectory.open(str(tmp_path / "records"), create_mode=0o700) as directory:
        yield directory


@pytest.fixture
def progress(tmp_path: Path, overlayfs: SnapshotterStore) -> Iterator[Progress]:
    with SecureDirectory.open(str(tmp_path / "data root"), create_mode=0o700) as root:
        yield Progress(root, overlayfs)


def obstruct(directory: SecureDirectory, id_: int) -> Path:
    """Keep the record of an identifier from being written, until what is returned is removed."""
    obstacle = Path(directory.path_of(str(id_)))
    obstacle.mkdir()
    return obstacle


def test_close_writes_pending_records(
    directory: SecureDirectory, overlayfs: SnapshotterStore, progress: Progress
) -> None:
    id_ = create(overlayfs, "k")
    records = RecoveryRecords(directory, overlayfs, progress)
    records.write(id_)
    records.close()
    assert json.loads(directory.read(str(id_)) or b"")["key"] == "k"


def test_a_failed_write_is_repeated_with_the_next_change(
    directory: SecureDirectory, overlayfs: SnapshotterStore, progress: Progress
) -> None:
    first, second = create(overlayfs, "a"), create(overlayfs, "b")
    records = RecoveryRecords(directory, overlayfs, progress)
    obstacle = obstruct(directory, first)
    records.write(first)
    records.flush()
    obstacle.rmdir()
    records.write(second)
    records.flush()
    assert set(directory.names()) == {str(first), str(second)}


def test_the_record_of_a_removed_snapshot_is_deleted_although_an_earlier_change_is_told_later(
    directory: SecureDirectory, overlayfs: SnapshotterStore, progress: Progress
) -> None:
    id_ = create(overlayfs, "k")
    records = RecoveryRecords(directory, overlayfs, progress)
    records.write(id_)
    records.flush()
    run(overlayfs.keyspace("overlayfs").remove("k"))
    records.remove(id_)
    records.write(id_)
    records.flush()
    assert list(directory.names()) == []


@contextlib.contextmanager
def no_space() -> Iterator[None]:
    """Cut writes short, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_new_record_that_cannot_be_written_leaves_nothing(
    directory: SecureDirectory, overlayfs: SnapshotterStore, progress: Progress
) -> None:
    records = RecoveryRecords(directory, overlayfs, progress)
    records.write(create(overlayfs, "k"))
    with no_space():
        records.flush()
    assert list(directory.names()) == []


def test_a_record_that_cannot_be_replaced_stays_as_it_was(
    directory: SecureDirectory, overlayfs: SnapshotterStore, progress: Progress
) -> None:
    id_ = create(overlayfs, "k")
    records = RecoveryRecords(directory, overlayfs, progress)
    records.write(id_)
    records.flush()
    before = directory.read(str(id_))
    records.write(id_)
    with no_space():
        records.flush()
    assert (list(directory.names()), directory.read(str(id_))) == ([str(id_)], before)


def test_the_empty_record_of_an_interrupted_write_is_written_again(
    directory: SecureDirectory, overlayfs: SnapshotterStore, progress: Progress
) -> None:
    id_ = create(overlayfs, "k")
    records = RecoveryRecords(directory, overlayfs, progress)
    Path(directory.path_of(str(id_))).touch(0o600)
    records.write(id_)
    records.flush()
    assert json.loads(directory.read(str(id_)) or b"")["key"] == "k"


def test_records_are_written_although_changes_keep_coming(
    directory: SecureDirectory, overlayfs: SnapshotterStore, progress: Progress
) -> None:
    id_ = create(overlayfs, "k")
    records = RecoveryRecords(directory, overlayfs, progress)

    def is_written() -> bool:
        records.write(id_)
        return directory.has(str(id_))

    records.start()
    try:
        wait_until(is_written, 60, "the record is written")
    finally:
        records.close()


def test_the_doctor_waits_longer_than_the_record_of_any_change() -> None:
    """It would report what a busy host has not written yet."""
    assert examination._SETTLED >= 2 * _recovery.LONGEST_DELAY


def test_changes_that_come_while_others_are_written_wait_no_longer(
    directory: SecureDirectory, overlayfs: SnapshotterStore, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing takes half a second under load, and a second after a change its record should be there."""
    records = RecoveryRecords(directory, overlayfs, progress)
    now = 0.0
    begun: list[float] = []

    def pass_time(seconds: float) -> None:
        nonlocal now
        now += seconds
        records.write(1)

    def flush() -> None:
        begun.append(now)
        pass_time(0.4)

    monkeypatch.setattr(_recovery, "time", SimpleNamespace(monotonic=lambda: now))
    stopped = SimpleNamespace(wait=pass_time, is_set=lambda: len(begun) == 3)
    monkeypatch.setattr(records, "_stopped", stopped)
    monkeypatch.setattr(records, "flush", flush)
    records.write(1)
    records._work()
    assert max(later - one for one, later in itertools.pairwise(begun)) < 0.75


def test_failing_and_recovered_writes_are_each_logged_once(
    directory: SecureDirectory, overlayfs: SnapshotterStore, progress: Progress, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full for a while does not fill the log too."""
    caplog.set_level(logging.INFO, "lamina.snapshots.local")
    ids = [create(overlayfs, key) for key in "abc"]
    records = RecoveryRecords(directory, overlayfs, progress)
    obstacles = [obstruct(directory, id_) for id_ in ids]
    for id_ in ids:
        records.write(id_)
        records.flush()
    for obstacle in obstacles:
        obstacle.rmdir()
    for _ in range(2):
        records.write(ids[0])
        records.flush()
    assert [record.getMessage() for record in caplog.records] == [
        "cannot write recovery records, will try again",
        "recovery records are written again",
    ]
