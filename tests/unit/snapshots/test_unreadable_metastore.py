"""Read errors of the disk are not treated as damage."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, ResourceExhausted
from lamina.snapshots import Kind
from lamina.snapshots.storage import MetaStore
from lamina.steps import run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A metastore with a snapshot, closed."""
    store = MetaStore.open(str(tmp_path))
    keyspace = store.snapshotter("overlayfs").keyspace("overlayfs")
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, "key", "", {})))
    store.close()
    return tmp_path


def failing(times: int, number: int, function: Callable[..., object]) -> Callable[..., object]:
    """The same function, which fails the first few times."""
    left = iter(range(times))

    def fail(*arguments: object, **options: object) -> object:
        if next(left, None) is not None:
            raise OSError(number, os.strerror(number))
        return function(*arguments, **options)

    return fail


def names(path: Path) -> list[str]:
    """The keys of the snapshots that a start finds."""
    store = MetaStore.open(str(path))
    try:
        return [record.info.name for record in store.snapshotter("overlayfs").keyspace("overlayfs").walk()]
    finally:
        store.close()


def test_a_failed_read_is_retried(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pread", failing(1, errno.EIO, os.pread))
    assert names(path) == ["key"]
    assert not list(path.glob("data.mdb.*"))


def test_an_unreadable_disk_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (path / "data.mdb").read_bytes()
    with monkeypatch.context() as failure:
        failure.setattr(os, "pread", failing(2**30, errno.EIO, os.pread))
        with pytest.raises(DataLoss, match="Input/output error; nothing was changed: check the disk"):
            MetaStore.open(str(path))
    assert (path / "data.mdb").read_bytes() == before
    assert not list(path.glob("data.mdb.*"))
    assert names(path) == ["key"]


def test_a_metastore_that_cannot_be_checked_is_not_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a free descriptor the check cannot run, and LMDB must not open the file unchecked."""
    module = "lamina.store._startup_checks.open_secure_file"
    monkeypatch.setattr(module, failing(1, errno.EMFILE, lambda *_: 0))
    with pytest.raises(ResourceExhausted, match="check metastore"):
        MetaStore.open(str(path))
    monkeypatch.undo()
    assert names(path) == ["key"]
