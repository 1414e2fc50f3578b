"""Data of removed snapshots that cannot be discarded at first."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, FailedPrecondition
from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.native import open_native
from tests.support.waiting import wait_until

SECONDS = 60.0
FOREVER = 1 << 30


class StubbornBackend(NativeBackend):
    """Fails to destroy data as often as a test wants."""

    failures: Iterator[OSError] = iter(())

    def destroy(self, path: str) -> None:
        for error in self.failures:
            raise error
        super().destroy(path)


@pytest.fixture
def native(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    """A snapshotter with one snapshot, which cannot be moved to the trash."""
    with open_native(tmp_path, StubbornBackend) as opened:
        opened.prepare("key")
        yield opened


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "native/snapshots/1"


def fail(monkeypatch: pytest.MonkeyPatch, number: int, times: int) -> None:
    """Refuse to move data, and to destroy it that many times."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "rename", refuse)
    errors = itertools.repeat(OSError(number, os.strerror(number)), times)
    monkeypatch.setattr(StubbornBackend, "failures", errors)


def test_data_that_cannot_be_moved_to_the_trash_is_deleted_in_the_background(
    native: LocalSnapshotter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, errno.EIO, 0)
    native.remove("key")
    wait_until(lambda: not data.exists(), SECONDS, "the data is deleted")


def test_a_cleanup_deletes_data_that_could_not_be_discarded_or_says_that_it_cannot(
    native: LocalSnapshotter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, errno.EIO, FOREVER)
    native.remove("key")
    with pytest.raises(FailedPrecondition, match="Input/output error"):
        native.cleanup()
    assert data.exists()
    (metric,) = native.metrics()
    assert metric.samples == {("native",): 1}
    monkeypatch.undo()
    native.cleanup()
    assert not data.exists()


def test_a_cleanup_waits_for_a_full_disk_to_free_space(
    native: LocalSnapshotter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, errno.ENOSPC, 3)
    native.remove("key")
    native.cleanup()
    assert not data.exists()


def test_unfinished_data_of_a_failed_call_is_deleted_later_too(
    native: LocalSnapshotter, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, errno.EIO, 0)
    with pytest.raises(DataLoss, match="Input/output error"):
        native.prepare("other")
    native.cleanup()
    assert os.listdir(data.parent) == ["1"]
