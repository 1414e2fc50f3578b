"""Tables keep the entries of an owner apart from those of others."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.context import CallContext, use
from lamina.errdefs import Canceled, DataLoss, FailedPrecondition, InvalidArgument
from lamina.snapshots import Kind
from lamina.snapshots.storage import MetaStore
from lamina.steps import run
from lamina.store import KEY_LIMIT, Store, Table, TableTransaction
from lamina.store._entries import BATCH
from lamina.store._environment import Transaction
from tests.support.waiting import wait_until


def put(table: Table, **entries: str) -> None:
    def body(transaction: TableTransaction) -> None:
        for key, value in entries.items():
            transaction.put(key.encode(), value.encode())

    table.write(body)


def test_what_was_written_is_there_after_the_next_opening(tmp_path: Path) -> None:
    for number in range(2):
        store = Store.open(str(tmp_path))
        table = store.table("notes", 1)
        assert table.get(b"k") == (b"v" if number else None)
        put(table, k="v")
        store.close()


def test_an_entry_can_be_empty_and_its_key_too(table: Table) -> None:
    table.write(lambda transaction: transaction.put(b"", b""))
    assert list(table.walk()) == [(b"", b"")]


def test_a_deletion_says_whether_there_was_an_entry(table: Table) -> None:
    put(table, k="v")
    assert table.write(lambda transaction: transaction.delete(b"k"))
    assert not table.write(lambda transaction: transaction.delete(b"k"))
    assert table.get(b"k") is None


def test_owners_do_not_see_each_others_entries(store: Store) -> None:
    names = ("a", "aa", "b", "notes", "notesandmorethat")
    for name in names:
        put(store.table(name, 1), key=name)
    for name in names:
        assert list(store.table(name, 1).walk()) == [(b"key", name.encode())]


def test_a_write_that_raises_stores_nothing(table: Table) -> None:
    def body(transaction: TableTransaction) -> None:
        transaction.put(b"k", b"v")
        raise FailedPrecondition("not now")

    with pytest.raises(FailedPrecondition, match="not now"):
        table.write(body)
    assert table.get(b"k") is None


def test_a_write_reads_what_it_has_written(table: Table) -> None:
    def body(transaction: TableTransaction) -> list[tuple[bytes, bytes]]:
        transaction.put(b"b", b"2")
        transaction.put(b"a", b"1")
        transaction.put(b"c", b"3")
        transaction.delete(b"b")
        assert transaction.get(b"b") is None
        return list(transaction.ascending())

    assert table.write(body) == [(b"a", b"1"), (b"c", b"3")]


def test_a_walk_goes_on_while_entries_come_and_go(table: Table) -> None:
    numbers = range(3 * BATCH)
    table.write(lambda transaction: [transaction.put(b"%05d" % number, b"") for number in numbers])
    met = []
    for key, _ in table.walk():
        met.append(key)
        table.write(lambda transaction, key=key: transaction.delete(key)) if len(met) % 97 == 0 else None
    assert met == [b"%05d" % number for number in numbers]


def test_a_walk_ends_with_its_call(table: Table) -> None:
    put(table, k="v")
    with use(CallContext(cancelled=True)), pytest.raises(Canceled):
        list(table.walk())


@settings(max_examples=50)
@given(keys=st.sets(st.binary(max_size=8), max_size=20), prefix=st.binary(max_size=2))
def test_a_walk_meets_the_keys_with_a_prefix_in_order(table: Table, keys: set[bytes], prefix: bytes) -> None:
    def body(transaction: TableTransaction) -> None:
        for key, _ in list(transaction.ascending()):
            transaction.delete(key)
        for key in keys:
            transaction.put(key, key)

    table.write(body)
    assert list(table.walk(prefix)) == [(key, key) for key in sorted(keys) if key.startswith(prefix)]


def test_a_key_can_have_as_many_bytes_as_the_limit_says(store: Store) -> None:
    for owner in ("n", "notesandmorethat"):
        table = store.table(owner, 255)
        table.write(lambda transaction: transaction.put(b"x" * KEY_LIMIT, b"v"))
        assert table.get(b"x" * KEY_LIMIT) == b"v"
        for call in (
            lambda transaction: transaction.put(b"x" * (KEY_LIMIT + 1), b"v"),
            lambda transaction: transaction.get(b"x" * (KEY_LIMIT + 1)),
        ):
            with pytest.raises(InvalidArgument, match=f"more than the maximum of {KEY_LIMIT}"):
                table.write(call)


@pytest.mark.parametrize("owner", ["", "Notes", "two words", "nul\0", "ä", "notesandmorethats"])
def test_an_owner_has_a_short_name_of_lower_case_letters(store: Store, owner: str) -> None:
    with pytest.raises(InvalidArgument, match="owner"):
        store.table(owner, 1)


def test_writers_of_a_table_and_of_snapshots_share_commits(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path))
    table = store.table("notes", 1)
    keyspace = store.snapshotter("native").keyspace("native")
    running, waiting = threading.Event(), threading.Event()
    found: list[int] = []

    def first(_: TableTransaction) -> None:
        running.set()
        assert waiting.wait(60)

    def later(transaction: Transaction) -> None:
        found.append(transaction.id())

    draft = keyspace.draft(Kind.ACTIVE, "a", "", {})
    threads = [threading.Thread(target=table.write, args=(first,))]
    threads[0].start()
    assert running.wait(60)
    threads += [
        threading.Thread(target=table.write, args=(lambda transaction: later(transaction._transaction),)),
        threading.Thread(target=lambda: run(keyspace.create(draft))),
        threading.Thread(target=store._environment.write, args=(later,)),
    ]
    for thread in threads[1:]:
        thread.start()
    commits = store._environment._commits
    wait_until(lambda: len(commits._waiting) == 3, 60, "three writers wait")
    waiting.set()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert keyspace.get("a").id == draft.id
    store.close()


def test_a_changed_value_is_never_served_and_named(store: Store, table: Table) -> None:
    put(table, first="1", second="2")

    def flip(transaction: Transaction) -> None:
        (key,) = [key for key, _ in transaction.cursor() if key.endswith(b"first")]
        value = bytearray(transaction.get(key, b""))
        value[2] ^= 1
        transaction.put(key, bytes(value))

    store._environment.write(flip)
    for call in (lambda: table.get(b"first"), lambda: list(table.walk())):
        with pytest.raises(DataLoss, match="entry 'first' of notes has a wrong checksum"):
            call()
    assert table.get(b"second") == b"2"


def test_entries_of_a_newer_version_are_refused_and_unchanged(store: Store) -> None:
    newer = store.table("notes", 3)
    put(newer, k="v")
    with pytest.raises(FailedPrecondition, match=r"of notes .* version 3, .* reads up to 2: upgrade lamina"):
        store.table("notes", 2)
    assert newer.get(b"k") == b"v"
    put(store.table("others", 2), k="v")


def test_entries_of_earlier_versions_are_migrated_once(store: Store) -> None:
    put(store.table("notes", 1), a="1", b="2")
    asked = []

    def migrate(version: int, key: bytes, value: bytes) -> tuple[bytes, bytes]:
        asked.append((version, key))
        return key.upper(), value + b"!"

    for _ in range(2):
        assert list(store.table("notes", 3, migrate).walk()) == [(b"A", b"1!"), (b"B", b"2!")]
    assert asked == [(1, b"a"), (1, b"b")]


def test_a_migration_that_fails_changes_nothing(store: Store) -> None:
    put(store.table("notes", 1), a="1", b="2")

    def migrate(_: int, key: bytes, value: bytes) -> tuple[bytes, bytes]:
        if key == b"b":
            raise DataLoss("entry b cannot be read")
        return key, value

    with pytest.raises(DataLoss, match="entry b"):
        store.table("notes", 2, migrate)
    with pytest.raises(FailedPrecondition, match="schema version 1, which this lamina cannot read"):
        store.table("notes", 2)
    assert list(store.table("notes", 1).walk()) == [(b"a", b"1"), (b"b", b"2")]
