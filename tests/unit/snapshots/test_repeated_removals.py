"""Removals whose commit fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errdefs import DataLoss
from lamina.snapshots.storage import Keyspace, Record
from lamina.steps import Steps
from tests.support.snapshotters.native import open_native


def fail(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Let that many removals of records fail as LMDB does if the disk takes only a part of a write."""
    left, remove = [DataLoss("metastore: mdb_txn_commit: Input/output error")] * times, Keyspace.remove

    def failing(self: Keyspace, key: str) -> Steps[Record]:
        if left:
            raise left.pop()
        return (yield from remove(self, key))

    monkeypatch.setattr(Keyspace, "remove", failing)


def test_a_removal_whose_commit_failed_once_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_native(tmp_path) as native:
        native.prepare("key")
        fail(monkeypatch, 1)
        native.remove("key")
        assert list(native.walk()) == []


def test_a_removal_whose_commit_fails_again_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_native(tmp_path) as native:
        native.prepare("key")
        fail(monkeypatch, 2)
        with pytest.raises(DataLoss):
            native.remove("key")
        assert [info.name for info in native.walk()] == ["key"]
