"""Entries with flipped bits or under a wrong key are detected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lamina.errdefs import DataLoss
from lamina.snapshots import Info, Kind, Usage
from lamina.snapshots.storage import Keyspace, MetaStore, SnapshotterStore
from lamina.snapshots.storage import _layout as layout
from lamina.steps import run
from lamina.store import _checksum as checksum
from lamina.store._environment import Transaction

SPACE = layout.NUMBER.pack(2)


@pytest.fixture
def overlayfs(store: MetaStore) -> SnapshotterStore:
    return store.snapshotter("overlayfs")


@pytest.fixture
def stored(overlayfs: SnapshotterStore, keyspace: Keyspace) -> Keyspace:
    """A keyspace with a committed snapshot and one on it."""
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, "making", "", {})))
    run(keyspace.commit("base", keyspace.get("making"), {"a": "1"}, "", Usage(4096, 2)))
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, "child", "base", {})))
    overlayfs.remember_boot("a boot")
    return keyspace


def all_entries(store: MetaStore) -> dict[bytes, bytes]:
    return store._environment.read(lambda transaction: dict(transaction.cursor()))


def test_every_entry_but_the_schema_version_has_a_checksum(store: MetaStore, stored: Keyspace) -> None:
    entries = all_entries(store)
    without = {key for key, value in entries.items() if not checksum.has_checksum(value)}
    assert {key[:1] for key in entries} == set(map(bytes, zip(b"bcikmns")))
    assert without == {layout.SCHEMA_KEY}


def test_every_flipped_bit_of_a_value_is_found(store: MetaStore, stored: Keyspace) -> None:
    for key, value in all_entries(store).items():
        for bit in range(8 * len(value) if key != layout.SCHEMA_KEY else 0):
            changed = bytearray(value)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(DataLoss, match="wrong checksum"):
                checksum.check(key, bytes(changed))


def test_a_value_under_the_key_of_another_is_found(store: MetaStore, stored: Keyspace) -> None:
    entries = all_entries(store)
    for key, value in entries.items():
        for other in entries.keys() - {key, layout.SCHEMA_KEY}:
            if key != layout.SCHEMA_KEY:
                with pytest.raises(DataLoss, match="wrong checksum"):
                    checksum.check(other, value)


def change(store: MetaStore, key: bytes) -> None:
    """Flip a bit of an entry."""

    def flip(transaction: Transaction) -> None:
        value = bytearray(transaction.get(key, b""))
        value[-9] ^= 1
        transaction.put(key, bytes(value))

    store._environment.write(flip)


@pytest.mark.parametrize(
    "call",
    [
        lambda keyspace: keyspace.get("base"),
        lambda keyspace: keyspace.get_data("base")[0],
        lambda keyspace: list(keyspace.walk()),
        lambda keyspace: list(keyspace.walk_data()),
        lambda keyspace: run(keyspace.update(Info("base", labels={"b": "2"}))),
        lambda keyspace: keyspace.draft(Kind.ACTIVE, "another", "base", {}),
        lambda keyspace: keyspace.draft(Kind.ACTIVE, "base", "", {}),
        lambda keyspace: run(keyspace.remove("base")),
    ],
)
def test_a_record_that_has_changed_is_never_served_and_named(
    store: MetaStore, stored: Keyspace, call: Callable[[Keyspace], object]
) -> None:
    change(store, layout.record_key(SPACE, b"base"))
    with pytest.raises(DataLoss, match="snapshot 'base'"):
        call(stored)
    assert stored.get("child").info.parent == "base"


def test_a_damaged_child_prevents_the_removal_of_its_parent(store: MetaStore, stored: Keyspace) -> None:
    change(store, layout.child_key(SPACE, 1, 2))
    with pytest.raises(DataLoss, match="child of identifier 1 2"):
        run(stored.remove("base"))


def test_a_damaged_identifier_is_not_followed(
    store: MetaStore, stored: Keyspace, overlayfs: SnapshotterStore
) -> None:
    change(store, layout.id_key(overlayfs.number, 1))
    for call in (lambda: overlayfs.record(1), lambda: list(overlayfs.records())):
        with pytest.raises(DataLoss, match="identifier 1"):
            call()
