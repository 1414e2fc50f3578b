"""Outage and recovery of a metastore after a failed write."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, Error, ResourceExhausted, Unavailable
from lamina.snapshots import Info, Kind
from lamina.snapshots.storage import Keyspace, MetaStore
from lamina.steps import run
from lamina.store import _handle as handle_module
from tests.support.waiting import wait_until

SECONDS = 60


def create(keyspace: Keyspace, key: str) -> None:
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, key, "", {})))


def descriptors(store: MetaStore, flag: int) -> list[int]:
    """LMDB's descriptors of the data that have a flag of open(2), or with 0 lack O_DSYNC."""
    found = []
    for fd in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}") == f"{store.path}/data.mdb":
                info = Path(f"/proc/self/fdinfo/{fd}").read_text()
                flags = int(info.split("flags:")[1].split()[0], 8)
                if bool(flags & os.O_DSYNC) == bool(flag):
                    found.append(fd)
    return found


@contextlib.contextmanager
def replaced(fd: int, path: str, flags: int) -> Iterator[None]:
    """Another file behind a descriptor, until LMDB closes it or the block ends."""
    kept = os.dup(fd)
    other = os.open(path, flags | os.O_CLOEXEC)
    os.dup2(other, fd, inheritable=False)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(fd), os.fstat(other)):
                os.dup2(kept, fd, inheritable=False)
        os.close(other)
        os.close(kept)


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Let every open(2) in the block fail with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_write_that_fails_at_its_first_pages_is_an_error_and_the_next_one_works(
    store: MetaStore, keyspace: Keyspace
) -> None:
    """LMDB refuses all later calls, and is reopened."""
    create(keyspace, "a")
    (meta,) = descriptors(store, os.O_DSYNC)
    with replaced(meta, "/dev/full", os.O_WRONLY), pytest.raises(ResourceExhausted):
        create(keyspace, "b")
    assert keyspace.get("a").info.name == "a"
    create(keyspace, "c")
    assert [record.info.name for record in keyspace.walk()] == ["a", "c"]
    assert store.outage() == ""


def test_a_failed_reopening_is_retried_until_it_works(
    store: MetaStore, keyspace: Keyspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handle_module, "RETRY_SECONDS", 0.0)
    create(keyspace, "a")
    (meta,) = descriptors(store, os.O_DSYNC)
    with replaced(meta, "/dev/full", os.O_WRONLY), no_descriptors_left():
        with pytest.raises(ResourceExhausted):
            create(keyspace, "b")
        with pytest.raises(Unavailable, match="cannot be used, will try again"):
            create(keyspace, "b")
        with pytest.raises(Unavailable, match="cannot be used, will try again"):
            keyspace.get("a")
        assert "Too many open files" in store.outage()
        with pytest.raises(Unavailable):
            list(store.metrics())
    assert keyspace.get("a").info.name == "a"
    create(keyspace, "b")
    assert store.outage() == ""


def test_querying_an_outage_ends_it_if_its_cause_is_gone(
    store: MetaStore, keyspace: Keyspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    create(keyspace, "a")
    (meta,) = descriptors(store, os.O_DSYNC)
    with replaced(meta, "/dev/full", os.O_WRONLY), no_descriptors_left(), pytest.raises(ResourceExhausted):
        create(keyspace, "b")
    wait_until(lambda: store.outage() == "", SECONDS, "the metastore to be opened again")
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["nothing can be stored", "the metastore can be used again"]


def test_a_write_that_cannot_be_synced_is_an_error_of_the_disk(store: MetaStore, keyspace: Keyspace) -> None:
    create(keyspace, "a")
    (data,) = descriptors(store, 0)
    with replaced(data, "/dev/null", os.O_RDONLY), pytest.raises(Error) as raised:
        create(keyspace, "b")
    assert not isinstance(raised.value, ResourceExhausted | DataLoss)
    create(keyspace, "c")
    assert [record.info.name for record in keyspace.walk()] == ["a", "c"]


def test_a_file_size_limit_does_not_lose_data(store: MetaStore, keyspace: Keyspace) -> None:
    """RLIMIT_FSIZE cuts writes short as a full disk does, which LMDB calls an I/O error."""
    create(keyspace, "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = os.stat(f"{store.path}/data.mdb").st_size
    outcomes = set()
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10_000, hard))
    try:
        for number in range(20):
            try:
                run(keyspace.update(Info("a", labels={"l": f"{number}" * 2000})))
            except Error as error:
                outcomes.add(type(error))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert outcomes == {ResourceExhausted}
    run(keyspace.update(Info("a", labels={"l": "v"})))
