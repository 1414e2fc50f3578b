"""Promises of the metastore beyond single operations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.context import CallContext, use
from lamina.errdefs import (
    Aborted,
    AlreadyExists,
    Canceled,
    FilterSyntaxError,
    HasChildren,
    InvalidArgument,
    NotFound,
)
from lamina.snapshots import Info, Kind, Usage
from lamina.snapshots.storage import Keyspace, MetaStore, Record
from lamina.snapshots.storage import _layout as layout
from lamina.snapshots.storage._batch import BATCH
from lamina.snapshots.storage._snapshotter_store import BLOCK
from lamina.steps import run


def create(keyspace: Keyspace, key: str, parent: str = "", kind: Kind = Kind.ACTIVE) -> Record:
    return run(keyspace.create(keyspace.draft(kind, key, parent, {})))


def commit(keyspace: Keyspace, name: str, parent: str = "") -> Record:
    return run(keyspace.commit(name, create(keyspace, f"making {name}", parent), {}, "", Usage(1, 1)))


def test_created_and_updated_are_equal_at_creation_and_fresh_at_commit(keyspace: Keyspace) -> None:
    active = create(keyspace, "a")
    assert active.info.created == active.info.updated > 0
    committed = run(keyspace.commit("c", active, {}, "", Usage()))
    assert committed.info.created == committed.info.updated > active.info.created


def test_updated_moves_and_created_stays_when_labels_change(keyspace: Keyspace) -> None:
    before = create(keyspace, "a").info
    after = run(keyspace.update(Info("a", labels={"l": "v"}))).info
    assert after.created == before.created
    assert after.updated > before.updated


def test_a_snapshot_keeps_its_identifier_when_it_is_committed(keyspace: Keyspace) -> None:
    active = create(keyspace, "a")
    assert run(keyspace.commit("c", active, {}, "", Usage())).id == active.id


def test_a_record_carries_its_whole_chain_nearest_first(keyspace: Keyspace) -> None:
    ids = [commit(keyspace, f"c{depth}", f"c{depth - 1}" if depth else "").id for depth in range(200)]
    assert create(keyspace, "top", "c199").parent_ids == tuple(reversed(ids))


def test_a_commit_with_a_parent_sets_the_whole_chain(keyspace: Keyspace) -> None:
    base, middle = commit(keyspace, "base"), commit(keyspace, "middle", "base")
    create(keyspace, "a")
    draft = keyspace.check_commit("top", "a", "middle")
    committed = run(keyspace.commit("top", draft, {}, "middle", Usage()))
    assert committed.info.parent == "middle"
    assert committed.parent_ids == (middle.id, base.id)
    with pytest.raises(HasChildren):
        run(keyspace.remove("middle"))


@pytest.mark.parametrize("key", ["", "k" * (layout.KEY_LIMIT + 1), "ü" * layout.KEY_LIMIT, "\ud800"])
def test_an_empty_too_long_or_invalid_key_is_refused(keyspace: Keyspace, key: str) -> None:
    with pytest.raises(InvalidArgument):
        keyspace.draft(Kind.ACTIVE, key, "", {})
    with pytest.raises(InvalidArgument):
        keyspace.get(key)


def test_keys_at_the_limit_are_distinguished_by_their_last_byte(keyspace: Keyspace) -> None:
    stem = "k" * (layout.KEY_LIMIT - 1)
    records = [create(keyspace, stem + end) for end in "abc"]
    assert [keyspace.get(stem + end) for end in "abc"] == records
    assert [record.info.name[-1] for record in keyspace.walk()] == ["a", "b", "c"]


def test_a_key_equal_to_the_digest_of_another_is_distinct(keyspace: Keyspace) -> None:
    """The database key of a long key, taken as a key itself, does not lead to the long key's record."""
    long = create(keyspace, "k" * 1000)
    space = layout.NUMBER.pack(2)
    forged = layout.record_key(space, b"k" * 1000)[1 + len(space) :]
    assert layout.record_key(space, forged) != layout.record_key(space, b"k" * 1000)
    assert keyspace.get("k" * 1000) == long


def test_a_message_shortens_a_long_key(keyspace: Keyspace) -> None:
    with pytest.raises(NotFound) as raised:
        keyspace.get("k" * 30_000)
    assert len(str(raised.value)) < 400


def test_already_exists_names_the_kind_of_the_existing_snapshot(keyspace: Keyspace) -> None:
    create(keyspace, "a")
    commit(keyspace, "c")
    with pytest.raises(AlreadyExists, match="'a' already exists as an active snapshot"):
        create(keyspace, "a")
    with pytest.raises(AlreadyExists, match="'c' already exists as a committed snapshot"):
        create(keyspace, "c")


def test_has_children_names_some(keyspace: Keyspace) -> None:
    commit(keyspace, "base")
    for number in range(5):
        create(keyspace, f"child{number}", "base")
    with pytest.raises(HasChildren, match=r"cannot remove.*'child0', 'child1', 'child2' and others"):
        run(keyspace.remove("base"))


def test_labels_beyond_the_limit_are_refused_and_at_the_limit_are_kept(keyspace: Keyspace) -> None:
    fits = {"k" * 96: "v" * 4000}
    run(keyspace.create(keyspace.draft(Kind.ACTIVE, "a", "", fits)))
    assert keyspace.get("a").info.labels == fits
    with pytest.raises(InvalidArgument, match="4097 bytes"):
        run(keyspace.update(Info("a", labels={"k" * 97: "v" * 4000})))


def test_updates_cannot_add_more_labels_than_a_message_holds(keyspace: Keyspace) -> None:
    """A snapshot that cannot be shown would end every list of its keyspace."""
    create(keyspace, "a")
    for number in range(4):
        add_labels(keyspace, str(number))
    with pytest.raises(InvalidArgument, match="more than the maximum of 8388608 together"):
        add_labels(keyspace, "4")
    assert len(keyspace.get("a").info.labels) == 2000


def add_labels(keyspace: Keyspace, prefix: str) -> None:
    """Add labels of 2 MB to a snapshot."""
    labels = {f"{prefix}-{number}": "v" * 4000 for number in range(500)}
    run(keyspace.update(Info("a", labels=labels), tuple(f"labels.{key}" for key in labels)))


def test_a_filter_that_cannot_be_parsed_is_refused_before_the_walk(keyspace: Keyspace) -> None:
    with pytest.raises(FilterSyntaxError):
        keyspace.walk("name==a,")


def test_a_paused_walk_sees_later_changes(keyspace: Keyspace) -> None:
    """No transaction is open between two records: others can write, and the walk goes on."""
    for number in range(350):
        create(keyspace, f"{number:04}")
    seen = []
    for record in keyspace.walk():
        run(keyspace.remove(record.info.name))
        seen.append(record.info.name)
    assert seen == [f"{number:04}" for number in range(350)]
    assert list(keyspace.walk()) == []


def test_a_walk_of_a_store_that_has_never_held_anything_is_empty(keyspace: Keyspace) -> None:
    assert list(keyspace.walk()) == []


def test_two_keyspaces_do_not_see_each_other(store: MetaStore) -> None:
    snapshotter = store.snapshotter("overlayfs")
    left, right = snapshotter.keyspace("left"), snapshotter.keyspace("right")
    create(left, "a")
    with pytest.raises(NotFound):
        right.get("a")
    create(right, "a")
    run(left.remove("a"))
    assert right.get("a").info.name == "a"


def test_identifiers_are_unique_across_keyspaces_and_openings(tmp_path: Path) -> None:
    seen: list[int] = []
    for _ in range(3):
        store = MetaStore.open(str(tmp_path))
        snapshotter = store.snapshotter("overlayfs")
        assert all(id_ < snapshotter.first_id for id_ in seen)
        seen += [snapshotter.reserve_id() for _ in range(BLOCK + 1)]
        store.close()
    assert len(set(seen)) == len(seen)


def test_the_map_grows_while_others_read_and_write(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path), map_size=1 << 16)
    keyspace = store.snapshotter("overlayfs").keyspace("lamina")
    value = {"l": "v" * 4000}

    def fill(start: int) -> None:
        for number in range(start, start + 100):
            run(keyspace.create(keyspace.draft(Kind.ACTIVE, f"{number}", "", value)))
            assert keyspace.get(f"{number}").info.labels == value

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, range(0, 400, 100)))
    assert len(list(keyspace.walk())) == 400
    store.close()


def test_a_cancelled_walk_ends_between_two_batches(keyspace: Keyspace) -> None:
    for number in range(BATCH + 1):
        create(keyspace, f"{number:04}")
    context = CallContext()
    with use(context):
        records = keyspace.walk()
        next(records)
        context.cancel()
        with pytest.raises(Canceled):
            list(records)


def test_a_removed_and_recreated_parent_is_a_different_one(keyspace: Keyspace) -> None:
    commit(keyspace, "base")
    draft = keyspace.draft(Kind.ACTIVE, "a", "base", {})
    run(keyspace.remove("base"))
    commit(keyspace, "base")
    with pytest.raises(Aborted, match="made again"):
        run(keyspace.create(draft))
