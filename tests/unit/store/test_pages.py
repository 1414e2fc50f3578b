"""Pages of LMDB files are read as by LMDB, and damage is found and reported."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import lmdb
import pytest

from lamina.store._headers import quick_check
from lamina.store._leaves import LEAVES, Doubtful, batches
from lamina.store._meta import Damage, Meta, newest_meta
from lamina.store._pages import Pages

PAGE = 4096


def build(path: Path) -> None:
    """Make a file with three levels of pages, large values and free pages."""
    with lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 28) as environment:
        for batch in range(10):
            with environment.begin(write=True) as transaction:
                for number in range(batch, 4000, 10):
                    size = 9000 if number % 500 == 0 else number % 300
                    transaction.put(f"{number:05}".encode() * 5, bytes([number % 251]) * size)
        with environment.begin(write=True) as transaction:
            for number in range(0, 4000, 7):
                transaction.delete(f"{number:05}".encode() * 5)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("pages") / "data.mdb"
    build(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> dict[bytes, bytes]:
    """Return the entries that LMDB reads."""
    path = tmp_path_factory.mktemp("truth") / "data.mdb"
    path.write_bytes(data)
    with lmdb.open(str(path), subdir=False, lock=False, readonly=True) as environment:
        return dict(environment.begin().cursor())


def opened(data: bytes) -> tuple[Pages | None, list[Damage]]:
    def read(offset: int, size: int) -> bytes:
        return data[offset : offset + size]

    meta, damages = newest_meta(read)
    return (Pages(read, meta) if meta else None), damages


def whole(data: bytes) -> Pages:
    pages, damages = opened(data)
    assert pages is not None
    assert not damages
    return pages


def look(data: bytes) -> tuple[dict[bytes, bytes], list[Damage]]:
    """All that can be read, orphans included, and all damages."""
    pages, damages = opened(data)
    if pages is None:
        return {}, damages
    found = list(pages.entries(pages.meta.main))
    before = len(pages.damages)
    free = pages.free()
    if free.isdisjoint(pages.used) and len(pages.damages) == before:
        found += pages.orphans(free)
    return dict(found), damages + pages.damages


def quick(data: bytes) -> list[Damage]:
    pages, damages = opened(data)
    assert pages is not None
    return damages + quick_check(pages._read, pages.meta)


def all_at_a_time(data: bytes) -> list[tuple[bytes, bytes]] | None:
    """Return the entries that `batches` reads; None if it suspects damage."""
    pages, _ = opened(data)
    assert pages is not None
    try:
        found = [*batches(pages, data)]
    except (Doubtful, struct.error):
        return None
    return [
        (entry[:size], entry[size:])
        for _, sizes, entries in found
        for size, entry in zip(sizes, entries, strict=True)
    ]


def zeroed(data: bytes, page: int) -> bytes:
    return data[: page * PAGE] + bytes(PAGE) + data[(page + 1) * PAGE :]


def tree_pages(data: bytes, kind: int) -> list[int]:
    """The pages of the main tree that have a flag."""
    pages = whole(data)
    list(pages.entries(pages.meta.main))
    return sorted(number for number in pages.used if pages.page(number)[10] == kind)


def test_an_intact_file_is_read_as_by_lmdb(data: bytes, truth: dict[bytes, bytes]) -> None:
    pages = whole(data)
    assert pages.meta.main.depth == 3
    assert list(pages.entries(pages.meta.main)) == list(truth.items())
    free = pages.free()
    assert pages.damages == []
    assert not quick(data)
    assert free.isdisjoint(pages.used)
    assert free | pages.used == set(range(2, pages.meta.last_page + 1))


def test_batches_of_leaves_are_read_as_by_lmdb(data: bytes, truth: dict[bytes, bytes]) -> None:
    assert whole(data).meta.main.leaf_pages > LEAVES
    assert all_at_a_time(data) == list(truth.items())


def test_a_new_file_is_intact(tmp_path: Path) -> None:
    lmdb.open(str(tmp_path / "new"), subdir=False, lock=False).close()
    assert look((tmp_path / "new").read_bytes()) == ({}, [])


@pytest.mark.parametrize("kind", [1, 2])
def test_zeroed_pages_are_found_and_other_children_of_a_branch_are_read(
    data: bytes, truth: dict[bytes, bytes], kind: int
) -> None:
    numbers = tree_pages(data, kind)
    for number in {*numbers[:10], *numbers[::5], *numbers[-10:]}:
        changed = zeroed(data, number)
        found, damages = look(changed)
        assert number in {damage.page for damage in damages}
        assert number in {damage.page for damage in quick(changed)}
        assert all_at_a_time(changed) is None
        assert found.items() <= truth.items()
        if kind == 1:
            assert found == truth


def test_every_zeroed_large_value_is_found(data: bytes, truth: dict[bytes, bytes]) -> None:
    firsts = tree_pages(data, 4)
    assert firsts
    for number in firsts:
        found, damages = look(zeroed(data, number))
        assert number in {damage.page for damage in damages}
        assert len(found) == len(truth) - 1
        assert all_at_a_time(zeroed(data, number)) is None


def test_swapped_pages_are_found(data: bytes) -> None:
    first, second = Random(1).sample(tree_pages(data, 2), 2)
    changed = bytearray(data)
    for source, target in ((first, second), (second, first)):
        changed[target * PAGE : (target + 1) * PAGE] = data[source * PAGE : (source + 1) * PAGE]
    for damages in (look(bytes(changed))[1], quick(bytes(changed))):
        assert {first, second} <= {damage.page for damage in damages}
    assert all_at_a_time(bytes(changed)) is None


def test_a_truncated_file_is_detected(data: bytes) -> None:
    for size in range(2 * PAGE, len(data), 7 * PAGE):
        assert look(data[:size])[1]
        assert quick(data[:size])


def test_with_a_damaged_meta_page_the_other_is_used(data: bytes, truth: dict[bytes, bytes]) -> None:
    newest = whole(data).meta.page
    found, damages = look(zeroed(data, 1 - newest))
    assert found == truth
    assert [damage.page for damage in damages] == [1 - newest]
    found, damages = look(zeroed(data, newest))
    assert [damage.page for damage in damages] == [newest]
    assert found.keys() > truth.keys()  # as it was before the last commit, which deleted some


def test_without_a_meta_page_nothing_is_read(data: bytes) -> None:
    found, damages = look(bytes(2 * PAGE) + data[2 * PAGE :])
    assert not found
    assert [damage.page for damage in damages] == [0, 1]


@pytest.mark.parametrize("seed", range(40))
def test_reading_ends_without_errors_after_any_change(data: bytes, seed: int) -> None:
    random = Random(seed)
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 10, 1000))):
        at = (
            random.randrange(len(data))
            if random.random() < 0.5
            else random.randrange(len(data) // PAGE) * PAGE + 9
        )
        changed[at] ^= 1 << random.randrange(8)
    look(bytes(changed))
    pages, _ = opened(bytes(changed))
    if pages is not None:
        quick_check(pages._read, pages.meta)
        list(pages.entries(pages.meta.main))
        assert (all_at_a_time(bytes(changed)) is None) == bool(pages.damages)


def test_a_cycle_of_pages_is_walked_once(data: bytes) -> None:
    root = whole(data).meta.main.root
    changed = bytearray(data)
    at = root * PAGE + int.from_bytes(data[root * PAGE + 16 : root * PAGE + 18], "little")
    changed[at : at + 6] = root.to_bytes(6, "little")
    _, damages = look(bytes(changed))
    assert any("twice" in damage.problem for damage in damages)


def test_a_foreign_meta_page_is_ignored(data: bytes) -> None:
    changed = data[PAGE : 2 * PAGE] + data[PAGE:]
    pages, damages = opened(changed)
    assert pages is not None
    assert isinstance(pages.meta, Meta)
    assert [damage.page for damage in damages] == [0]
