"""A rebuild takes each snapshot from the right source if sources disagree or are lost."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import attrs
import pytest

from lamina.errdefs import Error
from lamina.snapshots import Info, Kind
from lamina.snapshots.recovery import Source
from tests.support.metastores.rebuilding import Site, everything, fill, reasons


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_removed_snapshot_stays_removed(site: Site) -> None:
    """Its recovery record was not deleted any more, as after a kill; its data is gone."""
    with site.open() as snapshotter:
        snapshotter.prepare("gone")
        snapshotter._root.records.flush()
        shutil.copytree(site.root / "records", site.directory / "records")
        snapshotter.remove("gone")
    shutil.copytree(site.directory / "records", site.root / "records", dirs_exist_ok=True)
    site.database.unlink()
    assert "its data is gone" in reasons(site.rebuild())[1]
    assert site.all() == {}


def test_a_record_in_a_damaged_file_without_data_is_not_restored(site: Site) -> None:
    """A page that a lost write left as it was has records of snapshots that were removed since."""
    with site.open() as snapshotter:
        snapshotter.prepare("kept")
        snapshotter.prepare("gone")
    older = site.database.read_bytes()
    with site.open() as snapshotter:
        snapshotter.remove("gone")
    site.database.write_bytes(older.replace(b"\x0a\x04kept", b"\x0a\x04kepf"))
    assert reasons(site.rebuild()) == {2: "its data is gone: it was removed, or lost"}
    assert {key for _, key in site.all()} == {"kept"}


def test_the_later_of_two_records_counts(site: Site) -> None:
    """The metastore is an older one, and a recovery record a moment behind."""
    with site.open() as snapshotter:
        snapshotter.prepare("a", labels={"n": "1"})
        snapshotter.prepare("b", labels={"n": "1"})
    shutil.copy(site.database, site.directory / "old")
    stale = (site.root / "records/2").read_bytes()
    with site.open() as snapshotter:
        snapshotter.update(Info("a", labels={"n": "2"}))
    shutil.copy(site.directory / "old", site.database)
    (site.root / "records/2").write_bytes(stale)
    rebuilt = site.rebuild()
    assert {one.found.record.id: one.source for one in rebuilt.merged.restored} == {
        1: Source.RECOVERY_RECORD,
        2: Source.METASTORE,
    }
    assert {key: dict(info.labels) for (_, key), (info, _) in site.all().items()} == {
        "a": {"n": "2"},
        "b": {"n": "1"},
    }


def test_a_key_that_was_used_again_belongs_to_the_later_snapshot(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("k", labels={"n": "1"})
        snapshotter._root.records.flush()
        record = (site.root / "records/1").read_bytes()
        snapshotter.remove("k")
        snapshotter.prepare("k", labels={"n": "2"})
    (site.root / "records/1").write_bytes(record)
    (site.root / "snapshots/1").mkdir()  # a removal whose data could not be moved
    site.database.unlink()
    assert reasons(site.rebuild()) == {1: "the later snapshot 2 has its key"}
    assert site.all()["overlayfs", "k"][0].labels == {"n": "2"}


@pytest.mark.parametrize("contents", [b"", bytes(300), b'{"version": 2, "id'], ids=["empty", "zeros", "cut"])
def test_a_torn_record_of_a_parent_is_derived_from_its_children(site: Site, contents: bytes) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
        before = everything(snapshotter)
    (site.root / "records/2").write_bytes(contents)  # layer-1
    site.database.unlink()
    (derived,) = [one for one in site.rebuild().merged.restored if one.source is Source.CHILDREN]
    assert derived.found.record.info.name == "layer-1"
    after = site.all()
    lost, known = after.pop(("overlayfs", "layer-1")), before.pop(("overlayfs", "layer-1"))
    assert after == before
    assert lost[0] == attrs.evolve(known[0], labels={}, created=0, updated=0)


@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE])
def test_a_record_that_cannot_be_read_stops_the_rebuild(
    site: Site, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A snapshot would be left out because of a failure that may pass."""
    with site.open() as snapshotter:
        fill(snapshotter)
        before = everything(snapshotter)
    site.database.unlink()
    read = os.read

    def fail(fd: int, length: int) -> bytes:
        if os.readlink(f"/proc/self/fd/{fd}") == str(site.root / "records/5"):
            raise OSError(code, os.strerror(code))
        return read(fd, length)

    with monkeypatch.context() as broken:
        broken.setattr(os, "read", fail)
        with pytest.raises(Error, match=f"records/5: {os.strerror(code)}"):
            site.rebuild()
    assert not site.database.exists()
    site.rebuild()
    assert site.all() == before


def test_a_stale_record_from_before_a_commit_is_corrected_by_its_children(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("extract")
        snapshotter._root.records.flush()
        stale = (site.root / "records/1").read_bytes()
        snapshotter.commit("layer", "extract")
        snapshotter.prepare("box", "layer")
    (site.root / "records/1").write_bytes(stale)
    site.database.unlink()
    site.rebuild()
    with site.open() as snapshotter:
        assert {info.name: info.kind for info in snapshotter.walk()} == {
            "layer": Kind.COMMITTED,
            "box": Kind.ACTIVE,
        }


def test_children_of_a_lost_parent_get_a_clear_error(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
    shutil.rmtree(site.root / "snapshots/2")
    (site.root / "records/2").unlink()
    site.database.unlink()
    (lost,) = [one for one in site.rebuild().merged.restored if not one.has_data]
    assert (lost.found.record.info.name, lost.source) == ("layer-1", Source.CHILDREN)
    with site.open() as snapshotter:
        assert snapshotter.stat("layer-1").parent == "layer-0"


def test_a_chain_with_a_lost_name_is_left_out_and_reported(site: Site) -> None:
    """Two successive records are lost: the child has the name of the upper one; that of the lower is unknown."""
    with site.open() as snapshotter:
        space = snapshotter.keyspace("overlayfs")
        parent = ""
        for number in range(3):
            space.prepare("x", parent)
            space.commit(name := f"layer-{number}", "x")
            parent = name
    for id_ in (1, 2):
        (site.root / f"records/{id_}").unlink()
    site.database.unlink()
    rebuilt = site.rebuild()
    assert rebuilt.merged.restored == ()
    assert set(reasons(rebuilt)) == {1, 2, 3}
    assert "its parent 'layer-1'" in reasons(rebuilt)[3]
    assert [out.path for out in rebuilt.merged.left_out] == [str(site.root / f"snapshots/{n}") for n in (3, 1, 2)]
