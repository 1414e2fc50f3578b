"""The quick check never suspects an intact file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.snapshots import Kind, Usage
from lamina.snapshots.storage import Keyspace, MetaStore, _fsck
from lamina.snapshots.storage import _layout as layout
from lamina.steps import run
from lamina.store import _leaves
from lamina.store._fsck import is_whole
from lamina.store._meta import newest_meta


def finds_nothing(tmp_path: Path) -> bool:
    data = (tmp_path / "metastore/data.mdb").read_bytes()
    meta, damages = newest_meta(lambda offset, size: data[offset : offset + size])
    assert meta is not None
    assert not damages
    return is_whole(data, _fsck, meta)


def make_base(keyspace: Keyspace) -> None:
    making = run(keyspace.create(keyspace.draft(Kind.ACTIVE, "making", "", {})))
    run(keyspace.commit("base", making, {}, "", Usage()))


def test_a_new_store_is_intact(store: MetaStore, tmp_path: Path) -> None:
    assert finds_nothing(tmp_path)


def test_a_store_with_entries_of_other_owners_is_intact(store: MetaStore, tmp_path: Path) -> None:
    make_base(store.snapshotter("native").keyspace("native"))
    for owner in ("a", "notes"):
        store.table(owner, 1).write(lambda transaction: transaction.put(b"key", b"value"))
    assert finds_nothing(tmp_path)


def test_children_with_names_at_the_limit_of_keys_are_intact(store: MetaStore, tmp_path: Path) -> None:
    keyspace = store.snapshotter("native").keyspace("native")
    make_base(keyspace)
    for length in (*range(layout.DATABASE_KEY_LIMIT - 8, layout.DATABASE_KEY_LIMIT + 1), layout.KEY_LIMIT):
        run(keyspace.create(keyspace.draft(Kind.ACTIVE, "x" * length, "base", {})))
    assert finds_nothing(tmp_path)


@pytest.mark.parametrize("leaves", [1, 3, _leaves.LEAVES])
def test_lost_snapshots_of_any_snapshotter_and_keyspace_are_detected(
    store: MetaStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaves: int
) -> None:
    monkeypatch.setattr(_leaves, "LEAVES", leaves)
    for name in ("native", "overlayfs"):
        snapshotter = store.snapshotter(name)
        for keyspace in map(snapshotter.keyspace, (name, "another")):
            make_base(keyspace)
            for number in range(20):
                run(keyspace.create(keyspace.draft(Kind.ACTIVE, f"{number}", "base", {"l": "v" * 300})))
    assert finds_nothing(tmp_path)
    store._environment.write(lambda t: t.delete(layout.record_key(layout.NUMBER.pack(3), b"7")))
    assert not finds_nothing(tmp_path)
