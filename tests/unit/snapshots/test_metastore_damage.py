"""Damage is detected before a metastore is served; intact records are salvaged."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest

from lamina.errdefs import DataLoss, FailedPrecondition, ResourceExhausted
from lamina.snapshots.storage import MetaStore, _salvage
from lamina.snapshots.storage import _layout as layout
from lamina.store._checksum import add
from lamina.store._environment import Transaction
from tests.support.metastores import schema_2
from tests.support.metastores.changed import KEYS, NATIVE, SPACE, change, flip, populate, set_aside
from tests.support.snapshotters.native import open_native

DAMAGES: dict[str, Callable[[Path], object]] = {
    "a record": lambda path: flip(path, layout.record_key(SPACE, b"key 3")),
    "an identifier": lambda path: flip(path, layout.id_key(NATIVE, 4)),
    "a missing identifier": lambda path: change(path, lambda t: t.delete(layout.id_key(NATIVE, 4))),
    "a missing record": lambda path: change(path, lambda t: t.delete(layout.record_key(SPACE, b"key 3"))),
    "an unknown entry": lambda path: change(path, lambda t: t.put(b"x", b"y")),
    "the schema version": lambda path: change(path, lambda t: t.put(layout.SCHEMA_KEY, b"1")),
    "the counter": lambda path: change(path, lambda t: t.put(layout.COUNTER, add(layout.COUNTER, b"1"))),
    "the snapshotter's number": lambda path: flip(path, layout.snapshotter_key("native")),
    "the UUID": lambda path: flip(path, layout.UUID),
}
LOST = {"a record": {"key 3"}, "a missing record": {"key 3"}, "a missing identifier": {"key 3"}}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("damage", DAMAGES)
def test_intact_records_are_served_and_the_damaged_file_is_kept_aside(
    tmp_path: Path,
    damage: str,
    large: bool,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if large:
        request.getfixturevalue("as_if_large")
    uuid = populate(tmp_path)
    DAMAGES[damage](tmp_path)
    before = (tmp_path / "metastore/data.mdb").read_bytes()
    for _ in range(2):
        with open_native(tmp_path) as native:
            assert native._store.uuid == uuid
            assert {info.name for info in native.walk()} == set(KEYS) - LOST.get(damage, set())
            assert native._root.reclaim() == 0
            native.prepare("new")
            native.remove("new")
    assert [path.read_bytes() for path in set_aside(tmp_path)] == [before]
    assert "the metastore was damaged" in caplog.text
    for number in range(1, 9):
        assert (tmp_path / "native/snapshots" / str(number) / "f").read_text() == str(number)


def test_a_store_that_lost_a_parent_is_salvaged_once(tmp_path: Path) -> None:
    with open_native(tmp_path) as native:
        native.prepare("making")
        native.commit("base", "making")
        native.prepare("child", "base")
    flip(tmp_path, layout.record_key(SPACE, b"base"))
    for _ in range(3):
        with open_native(tmp_path) as native:
            assert [info.name for info in native.walk()] == ["child"]
            assert native.mounts("child")
    assert len(set_aside(tmp_path)) == 1


def test_a_stale_record_is_not_restored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A page of records is as it was before a removal and a commit; the index is as it was after them."""
    populate(tmp_path)
    with lmdb.open(str(tmp_path / "metastore/data.mdb"), subdir=False, lock=False, readonly=True) as environment:
        entries = dict(environment.begin().cursor())
    with open_native(tmp_path) as native:
        native.remove("key 1")
        native.commit("committed", "key 2")
    earlier = {key: value for key, value in entries.items() if key[5:] in {b"key 1", b"key 2"}}
    change(tmp_path, lambda t: [t.put(key, value) for key, value in earlier.items()])
    with open_native(tmp_path) as native:
        assert {info.name for info in native.walk()} == {"committed", *KEYS} - {"key 1", "key 2"}
    assert "'key 1' in keyspace number 00000002 was left out" in caplog.text


def test_identifiers_are_not_reused_after_a_salvage(tmp_path: Path) -> None:
    populate(tmp_path)
    flip(tmp_path, layout.record_key(SPACE, b"key 7"))
    with open_native(tmp_path) as native:
        native.prepare("new")
        found = native._store.record(native._keyspace.get("new").id)
        assert found is not None
        assert found[1].id > _salvage.MORE_IDS


def test_a_lost_snapshotter_continues_with_unused_identifiers(tmp_path: Path) -> None:
    populate(tmp_path)
    change(tmp_path, lambda t: [t.delete(key) for key, _ in list(t.cursor()) if key[:1] in b"ikns"])
    with open_native(tmp_path) as native:
        native.prepare("new")
        assert native._keyspace.get("new").id >= layout.UNKNOWN_ID
        assert native._root.reclaim() == 0
    assert len(os.listdir(tmp_path / "native/snapshots")) == 9


def test_an_unsalvageable_file_is_unchanged_and_the_remedy_named(tmp_path: Path) -> None:
    populate(tmp_path)
    file = tmp_path / "metastore/data.mdb"
    damaged = bytes(8192) + file.read_bytes()[8192:]
    file.write_bytes(damaged)
    for _ in range(2):
        with pytest.raises(DataLoss, match="lamina metastore rebuild"), open_native(tmp_path):
            pass
    assert file.read_bytes() == damaged
    assert not set_aside(tmp_path)


@pytest.mark.parametrize("step", ["write_file", "exchange"])
def test_an_interrupted_salvage_keeps_the_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    populate(tmp_path)
    flip(tmp_path, layout.record_key(SPACE, b"key 7"))
    file = tmp_path / "metastore/data.mdb"
    before = file.read_bytes()

    def fail(_source: str, target: str) -> None:
        raise OSError(28, os.strerror(28), target)

    with monkeypatch.context() as patch:
        patch.setattr(_salvage, step, fail)
        with pytest.raises(ResourceExhausted):
            MetaStore.open(str(tmp_path / "metastore"))
    assert file.read_bytes() == before
    with open_native(tmp_path) as native:
        assert {info.name for info in native.walk()} == set(KEYS) - {"key 7"}


def test_after_a_kill_during_a_salvage_the_next_start_serves_and_the_damaged_file_is_kept(
    tmp_path: Path,
) -> None:
    populate(tmp_path)
    flip(tmp_path, layout.record_key(SPACE, b"key 7"))
    before = (tmp_path / "metastore/data.mdb").read_bytes()
    shutil.copytree(tmp_path, tmp_path / "copy")
    for step in itertools.count():
        path = tmp_path / f"round-{step}"
        shutil.copytree(tmp_path / "copy", path)
        pid = os.fork()
        if not pid:
            _open_and_die_in_step(path, step)
        _, status = os.waitpid(pid, 0)
        for _ in range(2):
            with open_native(path) as native:
                assert {info.name for info in native.walk()} == set(KEYS) - {"key 7"}
        assert before in [file.read_bytes() for file in set_aside(path)]
        if os.waitstatus_to_exitcode(status) == 0:
            break
    assert step >= 4


def _open_and_die_in_step(path: Path, step: int) -> None:
    """Open, and be killed before the n-th creation, rename or sync of the salvage."""
    done = 0

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: Any, **kwargs: Any) -> object:
            nonlocal done
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return function(*args, **kwargs)

        return call

    try:
        for module, names in (
            (os, ("rename", "unlink", "link", "fsync")),
            (_salvage, ("write_file", "exchange", "sync_directory")),
        ):
            for name in names:
                setattr(module, name, counted(getattr(module, name)))
        MetaStore.open(str(path / "metastore")).close()
    finally:
        os._exit(0)


def test_a_store_of_a_newer_lamina_is_refused_and_not_reported_as_damaged(tmp_path: Path) -> None:
    populate(tmp_path)

    def body(transaction: Transaction) -> None:
        transaction.put(layout.SCHEMA_KEY, b"5")
        transaction.put(layout.VERSION, add(layout.VERSION, b"5"))
        transaction.put(b"x of a later schema", b"y")

    change(tmp_path, body)
    with pytest.raises(FailedPrecondition, match="schema version 5"), open_native(tmp_path):
        pass
    assert not set_aside(tmp_path)


def test_a_store_of_schema_version_2_is_checked_as_well(tmp_path: Path) -> None:
    schema_2.write_schema_2(tmp_path / "metastore")
    change(tmp_path, lambda t: t.delete(layout.id_key(NATIVE, 3)))
    store = MetaStore.open(str(tmp_path / "metastore"))
    records = list(store.snapshotter("overlayfs").keyspace("overlayfs").walk())
    store.close()
    assert records == schema_2.RECORDS["overlayfs", "overlayfs"][:3]
    assert len(set_aside(tmp_path)) == 1
