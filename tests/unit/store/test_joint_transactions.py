"""A transaction that covers several tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errdefs import InvalidArgument, NotFound
from lamina.store import Store, Table, TableTransaction


@pytest.fixture
def other(store: Store) -> Table:
    return store.table("others", 1)


def test_entries_of_two_tables_are_stored_together(table: Table, other: Table) -> None:
    def body(transaction: TableTransaction) -> bytes | None:
        transaction.put(b"k", b"1")
        other.within(transaction).put(b"k", b"2")
        return transaction.get(b"k")

    assert table.write(body) == b"1"
    assert other.get(b"k") == b"2"


def test_if_one_fails_neither_is_stored(table: Table, other: Table) -> None:
    def body(transaction: TableTransaction) -> None:
        other.within(transaction).put(b"k", b"2")
        transaction.put(b"k", b"1")
        raise NotFound

    with pytest.raises(NotFound):
        table.write(body)
    assert table.get(b"k") is other.get(b"k") is None


def test_both_are_read_at_the_same_moment(table: Table, other: Table) -> None:
    def body(transaction: TableTransaction) -> list[tuple[bytes, bytes]]:
        return [*transaction.ascending(), *other.within(transaction).ascending()]

    table.write(lambda transaction: transaction.put(b"k", b"1"))
    other.write(lambda transaction: transaction.put(b"l", b"2"))
    assert table.read(body) == [(b"k", b"1"), (b"l", b"2")]


def test_a_table_of_another_store_is_refused(table: Table, tmp_path: Path) -> None:
    elsewhere = Store.open(str(tmp_path / "elsewhere"))
    try:
        stranger = elsewhere.table("others", 1)
        with pytest.raises(InvalidArgument, match="another"):
            table.write(lambda transaction: stranger.within(transaction).put(b"k", b"v"))
    finally:
        elsewhere.close()
