"""A rebuilt metastore refuses active snapshots that a failed sync may have damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lamina.cli.metastore.rebuilt import problems_remain, rebuilt_lines
from lamina.errdefs import DataLoss
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage._salvage import salvage
from tests.support.metastores.rebuilding import Site
from tests.support.waiting import wait_until

REFUSED = "a sync of the file system failed"
SECONDS = 60.0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def fail_sync(site: Site, snapshotter: LocalSnapshotter) -> None:
    """Let a sync fail, and wait until the metastore and the data root say so."""
    snapshotter._store.sync_failed()
    wait_until(lambda: not list(site.metastore.glob("failed-sync-*")), SECONDS, "the failure is in its places")


def forget(site: Site) -> None:
    """Leave the data root as an earlier version of lamina does, which wrote nothing of failed syncs there."""
    (site.root / "failed-sync").unlink()


def commits(site: Site, key: str) -> bool:
    """Whether an active snapshot is committed; it is refused for a failed sync, or not at all."""
    with site.open() as snapshotter:
        try:
            snapshotter.commit(f"{key}-committed", key)
        except DataLoss as error:
            if REFUSED not in str(error):
                raise
            return False
    return True


def commits_later(site: Site) -> bool:
    """Return whether a new active snapshot can be committed."""
    with site.open() as snapshotter:
        snapshotter.prepare("later")
    return commits(site, "later")


def test_refused_snapshots_stay_refused_after_the_metastore_is_lost(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("refused")
        fail_sync(site, snapshotter)
        snapshotter.prepare("after")
    site.database.unlink()
    rebuilt = site.rebuild()
    assert rebuilt.failed_syncs.last_ids == {"overlayfs": 1}
    assert not commits(site, "refused")
    assert commits(site, "after")


def test_refused_snapshots_stay_refused_with_an_older_backup(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("refused")
    shutil.copy(site.database, backup := site.directory / "backup")
    with site.open() as snapshotter:
        fail_sync(site, snapshotter)
    site.rebuild(backup=str(backup))
    assert not commits(site, "refused")
    assert commits_later(site)


def test_snapshots_without_a_failed_sync_can_be_committed(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("a")
    site.database.unlink()
    assert not site.rebuild().failed_syncs.unknown
    assert commits(site, "a")


def test_active_snapshots_are_refused_if_failed_syncs_are_unknown(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("a")
        snapshotter.prepare("b")
    forget(site)
    site.database.unlink()
    rebuilt = site.rebuild()
    assert rebuilt.failed_syncs.unknown == {"overlayfs": 2}
    told = "\n".join(rebuilt_lines(rebuilt, str(site.metastore), dry_run=False))
    assert "overlayfs: it is unknown whether a sync failed, so its 2 active snapshots cannot be" in told
    assert problems_remain(rebuilt)
    assert not commits(site, "a")
    assert commits_later(site)


def test_without_active_snapshots_nothing_is_unknown(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("a")
        snapshotter.commit("c", "a")
    forget(site)
    site.database.unlink()
    assert not site.rebuild().failed_syncs.unknown


def test_a_restored_backup_takes_failed_syncs_from_the_replaced_metastore(
    site: Site,
) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("refused")
    shutil.copy(site.database, backup := site.directory / "backup")
    with site.open() as snapshotter:
        fail_sync(site, snapshotter)
        snapshotter.prepare("after")
    forget(site)
    assert not site.rebuild(backup=str(backup)).failed_syncs.unknown
    assert not commits(site, "refused")
    assert commits(site, "after")


def test_a_backup_refuses_active_snapshots_if_failed_syncs_are_unknown(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("a")
    shutil.copy(site.database, backup := site.directory / "backup")
    forget(site)
    site.database.write_bytes(b"garbage" * 1000)
    assert site.rebuild(backup=str(backup)).failed_syncs.unknown == {"overlayfs": 1}
    assert not commits(site, "a")


def test_a_data_root_with_more_failed_syncs_than_the_metastore_counts(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("refused")
    (site.root / "failed-sync").write_text("1\n")
    assert not commits(site, "refused")
    with site.open() as snapshotter:
        wait_until(lambda: snapshotter._store.failed_sync._saved, SECONDS, "the metastore counts it as well")
    forget(site)
    assert not commits(site, "refused")
    assert (site.root / "failed-sync").read_text() == "1\n"


def test_an_empty_data_root_moves_to_a_new_metastore_without_failed_syncs(site: Site) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("refused")
        fail_sync(site, snapshotter)
        snapshotter.remove("refused")
        snapshotter.cleanup()
    shutil.rmtree(site.metastore)
    assert commits_later(site)


@pytest.mark.parametrize("says", [True, False], ids=["said by the data root", "said by nothing"])
def test_a_salvage_keeps_failed_syncs(site: Site, *, says: bool) -> None:
    with site.open() as snapshotter:
        snapshotter.prepare("refused")
        fail_sync(site, snapshotter)
    data = site.database.read_bytes()
    assert b"foverlayfs" in data
    site.database.write_bytes(data.replace(b"foverlayfs", b"goverlayfs"))
    salvage(str(site.metastore), ["a test"])
    if not says:
        forget(site)
    assert not commits(site, "refused")
    assert commits_later(site)
