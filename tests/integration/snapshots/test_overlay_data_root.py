"""The data root of the overlay snapshotter, its owner and leftovers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.errdefs import (
    FailedPrecondition,
    LockHeld,
    Unavailable,
)
from lamina.mount import Mount, mount_all, temporary_mount, unmount
from lamina.snapshots.local import LocalSnapshotter, _trash
from tests.support.snapshotters.overlay import open_overlay, snapshots, trash_is_empty
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")


def test_leftovers_of_a_crash_are_reclaimed_at_the_next_start(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("kept")
    (tmp_path / "overlay/snapshots/17/fs").mkdir(parents=True)
    (tmp_path / "overlay/trash/18/fs").mkdir(parents=True)
    with open_overlay(tmp_path):
        wait_until(lambda: snapshots(tmp_path) == {"1"} and trash_is_empty(tmp_path), 60, "all is reclaimed")


def test_data_of_running_calls_is_never_reclaimed(tmp_path: Path) -> None:
    """Data with an identifier of this process and without a record is kept."""
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("kept")
    with open_overlay(tmp_path) as overlay:
        in_flight = overlay._store.reserve_id()
        (tmp_path / f"overlay/snapshots/{in_flight}").mkdir()
        overlay._root.reclaim()
        assert snapshots(tmp_path) == {"1", str(in_flight)}


def test_an_empty_store_reclaims_nothing(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("a")
        overlay.remove("a")
    (tmp_path / "overlay/snapshots/1/fs").mkdir(parents=True)
    with open_overlay(tmp_path) as overlay:
        assert overlay._root.reclaim() == 0
        assert snapshots(tmp_path) == {"1"}


def test_a_data_root_whose_metastore_was_deleted_is_refused_and_not_touched(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay, temporary_mount(overlay.prepare("a")) as root:
        (Path(root) / "precious").write_text("data")
    (tmp_path / "metastore/data.mdb").unlink()
    with pytest.raises(FailedPrecondition, match="Nothing there was touched"), open_overlay(tmp_path):
        pass
    assert (tmp_path / "overlay/snapshots/1/fs/precious").read_text() == "data"


def test_a_data_root_of_another_metastore_is_refused(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("a")
    with (
        pytest.raises(FailedPrecondition, match="holds snapshots of metastore"),
        open_overlay(tmp_path, metastore="another"),
    ):
        pass


def test_an_empty_directory_in_place_of_the_data_root_is_refused(tmp_path: Path) -> None:
    """Its file system may not be mounted: what a start would make again there hides what was written."""
    with open_overlay(tmp_path) as overlay, temporary_mount(overlay.prepare("a")) as root:
        (Path(root) / "precious").write_text("data")
    (tmp_path / "overlay").rename(tmp_path / "disk")
    (tmp_path / "overlay").mkdir(mode=0o700)
    with pytest.raises(Unavailable, match="is its file system mounted"), open_overlay(tmp_path):
        pass
    assert os.listdir(tmp_path / "overlay") == []
    shutil.rmtree(tmp_path / "overlay")
    (tmp_path / "disk").rename(tmp_path / "overlay")
    with open_overlay(tmp_path) as overlay, temporary_mount(overlay.mounts("a")) as root:
        assert (Path(root) / "precious").read_text() == "data"


def test_an_empty_data_root_is_used_if_its_file_says_whose_it_is(tmp_path: Path) -> None:
    """So does the remedy of the message, if the data is lost for good."""
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("a")
    shutil.rmtree(tmp_path / "overlay")
    with pytest.raises(Unavailable) as refused, open_overlay(tmp_path):
        pass
    [command] = re.findall("`(install [^`]*)`", str(refused.value))
    subprocess.run(command, shell=True, check=True)  # noqa: S602 - as an operator types it
    with open_overlay(tmp_path) as overlay:
        overlay.remove("a")


def test_a_data_root_in_use_is_refused_with_the_pid_of_its_user(tmp_path: Path) -> None:
    program = (
        "import sys; from lamina.fs import Lock\n"
        "lock = Lock.acquire(sys.argv[1]); print('locked', flush=True); sys.stdin.read()"
    )
    with open_overlay(tmp_path):
        pass
    command = [sys.executable, "-c", program, str(tmp_path / "overlay/lamina.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(LockHeld, match=str(other.pid)), open_overlay(tmp_path):
            pass
        other.communicate()


def test_leftovers_of_an_interrupted_record_write_are_reclaimed(tmp_path: Path) -> None:
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("kept")
    records = tmp_path / "overlay/records"
    for name in ("17", "18.new"):
        (records / name).touch()
    with open_overlay(tmp_path):
        wait_until(lambda: os.listdir(records) == ["1"], 60, "only the record of the snapshot is there")


def test_a_metastore_older_than_the_data_root_is_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    """Restored from a backup, it would reuse identifiers and reclaim newer data."""
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("before")
    shutil.copytree(tmp_path / "metastore", tmp_path / "backup")
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("since")
    with (
        pytest.raises(FailedPrecondition, match="is newer than the metastore"),
        open_overlay(tmp_path, metastore="backup"),
    ):
        pass
    assert len(snapshots(tmp_path)) == 2


def test_a_start_is_counted_even_if_nothing_is_made(tmp_path: Path) -> None:
    """So a backup from before a removal is older than the data root, too."""
    uuid = tmp_path / "overlay/uuid"
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("kept")
    owner, _, count = uuid.read_text().strip().partition(" ")
    with open_overlay(tmp_path):
        wait_until(lambda: uuid.read_text() == f"{owner} {int(count) + 1}\n", 60, "the start is counted")


def test_a_start_writes_nothing_before_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_trash, "_FIRST_SECONDS", 3600.0)
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("kept")
    before = (tmp_path / "overlay/uuid").read_bytes(), (tmp_path / "metastore/data.mdb").read_bytes()
    with open_overlay(tmp_path) as overlay:
        overlay.close()  # the background thread has not begun
    after = (tmp_path / "overlay/uuid").read_bytes(), (tmp_path / "metastore/data.mdb").read_bytes()
    assert after == before


def test_leftovers_are_reclaimed_beside_unfinished_deletions_of_an_earlier_process(
    tmp_path: Path,
) -> None:
    with open_overlay(tmp_path) as overlay:
        overlay.prepare("kept")
    for place in ("snapshots/17/fs", "snapshots/18.new/fs", "trash/17/fs"):
        (tmp_path / "overlay" / place).mkdir(parents=True)
    with open_overlay(tmp_path):
        wait_until(lambda: snapshots(tmp_path) == {"1"} and trash_is_empty(tmp_path), 60, "all is reclaimed")


def test_data_of_a_reused_identifier_is_never_adopted(overlay: LocalSnapshotter) -> None:
    strange = Path(overlay._backend.path(overlay._store.reserve_id() + 1), "fs")
    strange.mkdir(parents=True)
    (strange / "secret").touch()
    with pytest.raises(FailedPrecondition, match="lamina doctor"):
        overlay.prepare("a")
    assert (strange / "secret").exists() or not strange.exists()


def test_a_part_of_the_data_root_on_another_file_system_is_refused(tmp_path: Path) -> None:
    (tmp_path / "overlay/trash").mkdir(parents=True)
    mount_all([Mount("tmpfs", "tmpfs", ("mode=0700",))], tmp_path / "overlay/trash")
    try:
        with pytest.raises(FailedPrecondition, match="another file system"), open_overlay(tmp_path):
            pass
    finally:
        unmount(tmp_path / "overlay/trash")
