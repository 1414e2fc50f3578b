"""Salvage, rebuild, backup and restore keep the entries of tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.snapshots.recovery import inspect_copy, pieces, write_backup
from lamina.snapshots.storage import MetaStore
from tests.support.metastores.rebuilding import Site, everything, fill


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site with snapshots, and two notes in the metastore."""
    site = Site(tmp_path)
    with site.open() as snapshotter:
        fill(snapshotter)
    write(site, first="1", second="2")
    return site


def write(site: Site, **entries: str) -> None:
    store = MetaStore.open(str(site.metastore))
    for key, value in entries.items():
        store.table("notes", 1).write(
            lambda transaction, key=key, value=value: transaction.put(key.encode(), value.encode())
        )
    store.close()


def notes(site: Site) -> dict[bytes, bytes]:
    store = MetaStore.open(str(site.metastore))
    try:
        return dict(store.table("notes", 1).walk())
    finally:
        store.close()


def damage(site: Site, old: bytes) -> None:
    """Change a byte of every occurrence."""
    data = site.database.read_bytes()
    assert old in data
    site.database.write_bytes(data.replace(old, old[:-1] + bytes((old[-1] ^ 1,))))


def test_entries_that_are_intact_survive_the_salvage_of_others(site: Site) -> None:
    damage(site, b"first\xff\xff1")
    assert notes(site) == {b"second": b"2"}
    assert list(site.metastore.glob("data.mdb.damaged-*"))
    damage(site, b"layer-2\xff\xff\x03")
    assert notes(site) == {b"second": b"2"}


def test_a_damaged_entry_is_named_by_a_check(site: Site) -> None:
    damage(site, b"first\xff\xff1")
    contents = inspect_copy(pieces(str(site.database)))
    assert list(contents.problems) == ["entry 'first' of notes has a wrong checksum"]
    assert contents.entries_by_owner() == {"notes": 1}


def test_a_rebuild_keeps_the_entries_of_other_owners(site: Site) -> None:
    before = site.all("overlayfs", "other")
    damage(site, b"layer-2\xff\xff\x03")
    rebuilt = site.rebuild()
    assert rebuilt.set_aside
    assert notes(site) == {b"first": b"1", b"second": b"2"}
    assert site.all("overlayfs", "other") == before


def test_a_restored_backup_has_the_entries_of_its_moment(site: Site, tmp_path: Path) -> None:
    made = write_backup(pieces(str(site.database)), str(tmp_path / "backup"))
    assert made.contents.entries_by_owner() == {"notes": 2}
    write(site, second="later", third="3")
    with site.open() as snapshotter:
        snapshotter.prepare("later")
        before = everything(snapshotter)
    site.rebuild(backup=str(tmp_path / "backup"))
    assert notes(site) == {b"first": b"1", b"second": b"2"}
    assert site.all() == before
