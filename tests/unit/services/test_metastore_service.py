"""Backups of a metastore in use."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.api import Service
from lamina.api.messages.metastore_pb2 import CopyRequest, CopyResponse
from lamina.errdefs import ResourceExhausted
from lamina.plugins.metastore._service import MAX_COPIES
from lamina.plugins.metastore.plugin import metastore_service
from lamina.snapshots import Kind
from lamina.snapshots.storage import Keyspace, MetaStore
from lamina.steps import run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MetaStore]:
    store = MetaStore.open(str(tmp_path / "metastore"))
    yield store
    store.close()


@pytest.fixture
def keyspace(store: MetaStore) -> Keyspace:
    return store.snapshotter("overlayfs").keyspace("overlayfs")


def copy(service: Service) -> Iterator[CopyResponse]:
    (method,) = service.methods
    responses: Iterator[CopyResponse] = method.handler(CopyRequest())
    return responses


def create(keyspace: Keyspace, key: str) -> None:
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, key, "", {})))


def open_files() -> list[str]:
    """Paths of what this process has open."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return found


def opened(directory: Path, responses: Iterator[CopyResponse]) -> list[str]:
    """The keys in a copy, opened as a metastore."""
    directory.mkdir()
    (directory / "data.mdb").write_bytes(b"".join(response.data for response in responses))
    store = MetaStore.open(str(directory))
    try:
        return [record.info.name for record in store.snapshotter("overlayfs").keyspace("overlayfs").walk()]
    finally:
        store.close()


def test_a_backup_is_a_consistent_snapshot_of_its_begin(
    tmp_path: Path, store: MetaStore, keyspace: Keyspace
) -> None:
    create(keyspace, "before")
    responses = copy(metastore_service(lambda: store))
    first = next(responses)
    create(keyspace, "after")
    assert opened(tmp_path / "copy", itertools.chain([first], responses)) == ["before"]


def test_backups_during_writes_are_complete(tmp_path: Path, store: MetaStore, keyspace: Keyspace) -> None:
    """A store that is copied page by page while pages change would open with a gap, or not at all."""
    service = metastore_service(lambda: store)
    stopped = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if stopped.is_set():
                return
            create(keyspace, f"{number:06}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        copies = [opened(tmp_path / str(number), copy(service)) for number in range(8)]
    finally:
        stopped.set()
        writer.join()
    for keys in copies:
        assert keys == [f"{number:06}" for number in range(len(keys))]


def test_a_backup_is_deleted_when_its_reader_leaves(tmp_path: Path, store: MetaStore) -> None:
    before = set(os.listdir(tmp_path / "metastore"))
    responses = copy(metastore_service(lambda: store))
    next(responses)
    assert set(os.listdir(tmp_path / "metastore")) == before
    responses.close()
    assert not [
        target for target in open_files() if target.startswith(str(tmp_path)) and target.endswith(" (deleted)")
    ]


def test_too_many_concurrent_backups_are_refused(store: MetaStore) -> None:
    service = metastore_service(lambda: store)
    readers = [copy(service) for _ in range(MAX_COPIES)]
    for reader in readers:
        next(reader)
    with pytest.raises(ResourceExhausted, match="try again later"):
        next(copy(service))
    readers[0].close()
    next(copy(service))


def test_a_slow_reader_does_not_prevent_the_reuse_of_pages(store: MetaStore, keyspace: Keyspace) -> None:
    """An open transaction keeps every page that is freed after it began."""
    create(keyspace, "first")
    responses = copy(metastore_service(lambda: store))
    next(responses)

    def size() -> float:
        return next(
            value
            for metric in store.metrics()
            if metric.name == "lamina_metastore_file_bytes"
            for value in metric.samples.values()
        )

    for _ in range(20):
        create(keyspace, "again")
        run(keyspace.remove("again"))
    settled = size()
    for _ in range(200):
        create(keyspace, "again")
        run(keyspace.remove("again"))
    assert size() == settled
