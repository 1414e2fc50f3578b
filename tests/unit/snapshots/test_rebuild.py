"""A lost, damaged or stale metastore is rebuilt."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from lamina.errdefs import DataLoss, FailedPrecondition, LockHeld, NotFound
from lamina.snapshots.recovery import _rebuild
from tests.support.metastores.rebuilding import Site, everything, fill
from tests.support.waiting import wait_until


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_all_fields_are_restored_after_the_file_was_deleted(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
        before = everything(snapshotter, "overlayfs", "other")
    site.database.unlink()
    rebuilt = site.rebuild()
    assert not rebuilt.merged.left_out
    assert site.all("overlayfs", "other") == before
    assert len(before) == 12


def test_records_lost_in_a_salvage_are_restored_and_reclaiming_resumes(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
        before = everything(snapshotter, "overlayfs", "other")
    data = bytearray(site.database.read_bytes())
    for name in (b"layer-2\xff\xff", b"box\xff\xff"):
        assert name in data
        data = data.replace(name, name[:-2] + b"\xff\xfe")
    site.database.write_bytes(data)
    left = site.all("overlayfs", "other")
    assert left.items() < before.items()
    (site.root / "snapshots/77").mkdir()
    with site.open() as snapshotter:
        assert snapshotter._root.reclaim() == 0
    assert site.rebuild().set_aside
    assert site.all("overlayfs", "other") == before
    with site.open():
        wait_until(lambda: not (site.root / "snapshots/77").exists(), 60, "what nothing knows is in quarantine")


def test_a_rebuilt_metastore_works_like_the_lost_one(site: Site) -> None:
    """Both indexes are there: parents cannot be removed, children can, and then their parents."""
    with site.open() as snapshotter:
        fill(snapshotter)
    site.database.unlink()
    site.rebuild()
    with site.open() as snapshotter:
        with pytest.raises(FailedPrecondition, match="'layer-3' is the parent of 'box', 'look'"):
            snapshotter.remove("layer-3")
        for key in ("box", "look", "layer-3", "layer-2", "layer-1", "layer-0"):
            snapshotter.remove(key)
        assert everything(snapshotter) == {}


def test_no_identifier_is_used_again(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
    (site.root / "trash/777-x-1").mkdir()
    (site.root / "quarantine").mkdir()
    (site.root / "quarantine/888-20260101T000000.000000Z.json").touch()
    site.database.unlink()
    site.rebuild()
    with site.open() as snapshotter:
        snapshotter.prepare("new")
    assert max(int(name) for name in os.listdir(site.root / "snapshots")) > 888 + 1000


def test_rebuilding_again_changes_nothing(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
    site.database.unlink()
    assert site.rebuild().changes
    names = os.listdir(site.metastore)
    assert not site.rebuild().changes
    assert os.listdir(site.metastore) == names


def test_an_intact_metastore_is_not_rebuilt(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
    before = site.database.read_bytes()
    assert not site.rebuild().changes
    assert site.database.read_bytes() == before


def test_a_dry_run_changes_nothing(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
    site.database.unlink()
    rebuilt = site.rebuild(dry_run=True)
    assert rebuilt.changes
    assert len(rebuilt.merged.restored) == 12
    assert not site.database.exists()


def test_a_rebuild_without_sources_creates_nothing(site: Site) -> None:
    """A wrong directory was named."""
    with pytest.raises(NotFound, match="the right root directory"):
        site.rebuild()
    assert os.listdir(site.directory) == []


def test_the_old_file_is_kept(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
    site.database.write_bytes(garbage := b"garbage" * 10_000)
    rebuilt = site.rebuild()
    assert Path(rebuilt.set_aside).read_bytes() == garbage
    assert ".damaged-" in rebuilt.set_aside


def test_it_is_refused_while_the_metastore_is_in_use(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
        with pytest.raises(LockHeld, match="is locked by process"):
            site.rebuild()


def test_a_data_root_of_another_metastore_is_not_changed(site: Site, tmp_path: Path) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
    uuid = site.root / "uuid"
    other = f"{'0' * 8}-0000-0000-0000-{'0' * 12} 1\n"
    shutil.copytree(site.root, tmp_path / "io.containerd.snapshotter.v1.other")
    for record in (tmp_path / "io.containerd.snapshotter.v1.other/records").iterdir():
        document = json.loads(record.read_text())
        document["snapshotter"], document["version"] = "other", 1
        record.write_text(json.dumps(document))
    (tmp_path / "io.containerd.snapshotter.v1.other/uuid").write_text(other)
    site.database.unlink()
    rebuilt = site.rebuild()
    assert [one.path for one in rebuilt.foreign] == [str(tmp_path / "io.containerd.snapshotter.v1.other")]
    assert {one.found.snapshotter for one in rebuilt.merged.restored} == {"overlayfs"}
    assert uuid.read_text() != other
    adopted = site.rebuild(adopt=True)
    assert {one.found.snapshotter for one in adopted.merged.restored} == {"overlayfs", "other"}
    assert not site.rebuild().changes


def test_a_data_root_without_its_uuid_gets_it_back(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
        before = everything(snapshotter)
    (site.root / "uuid").unlink()
    site.database.unlink()
    site.rebuild()
    assert site.all() == before


@pytest.mark.parametrize("damage", [None, "", "xx", "xx 7\n", "0" * 36 + " 1\n"], ids=repr)
def test_a_data_root_is_marked_again_for_a_metastore_that_is_whole(site: Site, damage: str | None) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
        before = everything(snapshotter)
    uuid = site.root / "uuid"
    if damage is None:
        uuid.unlink()
    else:
        uuid.write_text(damage)
    with pytest.raises(FailedPrecondition, match="holds snapshots of"), site.open():
        pass
    assert site.rebuild().changes
    assert site.all() == before
    assert not site.rebuild().changes


@pytest.mark.parametrize("damage", ["", "xx"])
def test_a_damaged_mark_is_no_metastore_to_rebuild(site: Site, damage: str) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
        before = everything(snapshotter)
    site.database.unlink()
    (site.root / "uuid").write_text(damage)
    site.rebuild()
    assert site.all() == before


def test_a_new_metastore_of_a_host_is_replaced(site: Site) -> None:
    """Without its file a host starts with an empty metastore, and refuses the data root."""
    with site.open() as snapshotter:
        fill(snapshotter)
        before = everything(snapshotter)
    site.database.unlink()
    with pytest.raises(FailedPrecondition, match="holds snapshots of metastore"), site.open():
        pass
    site.rebuild()
    assert site.all() == before


def test_recovery_records_update_a_backup(site: Site) -> None:
    backup = str(site.directory / "backup")
    with site.open() as snapshotter:
        snapshotter.prepare("kept")
        snapshotter.prepare("removed since")
        snapshotter.view("looked at since")
    shutil.copy(site.database, backup)
    with site.open() as snapshotter:
        snapshotter.remove("removed since")
        snapshotter.prepare("made since")
        before = everything(snapshotter)
    site.database.write_bytes(b"garbage")
    rebuilt = site.rebuild(backup=backup)
    assert site.all() == before
    assert len(rebuilt.merged.left_out) == 1


def test_a_damaged_backup_is_refused(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
    before = site.database.read_bytes()
    (site.directory / "backup").write_bytes(b"garbage" * 1000)
    with pytest.raises(DataLoss):
        site.rebuild(backup=str(site.directory / "backup"))
    assert site.database.read_bytes() == before


def test_a_backup_of_another_metastore_is_refused(site: Site, tmp_path: Path) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
    other = Site(tmp_path / "other")
    other.directory.mkdir()
    with other.open() as snapshotter:
        fill(snapshotter)
    with pytest.raises(FailedPrecondition, match="is a backup of metastore"):
        site.rebuild(backup=str(other.database))


def test_a_kill_leaves_the_old_or_the_new_metastore(site: Site) -> None:
    with site.open() as snapshotter:
        fill(snapshotter)
        before = everything(snapshotter)
        snapshotter._root.records.flush()
    shutil.copytree(site.directory, site.directory.parent / "copy")
    steps = 0
    while True:
        copy = Site(site.directory.parent / f"round-{steps}")
        shutil.copytree(site.directory.parent / "copy", copy.directory)
        copy.database.write_bytes(garbage := b"garbage" * 1000)
        pid = os.fork()
        if not pid:
            _die_in_step(copy, steps)
        _, status = os.waitpid(pid, 0)
        if copy.database.read_bytes() == garbage:
            copy.rebuild()
        assert copy.all() == before
        steps += 1
        if os.waitstatus_to_exitcode(status) == 0:
            break
    assert steps > 5


def _die_in_step(site: Site, step: int) -> None:
    """Rebuild, and end the process before its n-th creation, rename or sync."""
    done = 0

    def counted(function):
        def call(*args, **kwargs):
            nonlocal done
            if done == step:
                os._exit(1)
            done += 1
            return function(*args, **kwargs)

        return call

    for module, name in (
        *((os, name) for name in ("rename", "unlink", "fsync")),
        *((_rebuild, name) for name in ("write_file", "read_file", "exchange")),
    ):
        setattr(module, name, counted(getattr(module, name)))
    try:
        site.rebuild()
    finally:
        os._exit(0)
