"""Files that another user planted in a directory of root are refused, deleted or ignored, and never followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lamina.errdefs import Error
from tests.support.hostile.planted import METASTORE, NATIVE, Victim, host_on, plant, refusal, use
from tests.support.snapshotters.native import open_native
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.requires("root"), pytest.mark.timeout(300)]  # no host waits for what is planted


REFUSED = ("a link to a file", "a FIFO", "a second name of a file", "a device", "his")


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize(
    "name",
    [
        "lamina.lock",
        f"{METASTORE}/lamina.lock",
        f"{METASTORE}/data.mdb",
        f"{NATIVE}/lamina.lock",
        f"{NATIVE}/uuid",
    ],
)
def test_a_planted_file_of_the_host_is_refused(place: Path, victim: Victim, name: str, kind: str) -> None:
    path = place / "root" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    plant(path, kind, victim)
    before = path.lstat()
    message = refusal(host_on(place))
    assert f"{path} " in message
    assert "refusing to use it: " in message
    assert path.lstat().st_ino == before.st_ino


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize(
    "name", [f"{NATIVE}/uuid.new", f"{NATIVE}/failed-sync", f"{METASTORE}/lock.mdb", f"{METASTORE}/ballast"]
)
def test_a_planted_link_is_not_written_through_when_a_file_is_replaced(
    place: Path, victim: Victim, name: str, kind: str
) -> None:
    path = place / "root" / name
    path.parent.mkdir(parents=True)
    plant(path, kind, victim)
    use(host_on(place))


@pytest.mark.parametrize("kind", ["a link to a directory", "a link to a file", "a FIFO", "his"])
def test_a_planted_file_in_the_trash_is_deleted_and_not_followed(place: Path, victim: Victim, kind: str) -> None:
    with open_native(place):
        pass
    trash = place / "native/trash"
    plant(trash / "1-planted", kind, victim)
    (trash / "2-planted").mkdir()
    plant(trash / "2-planted/fs", kind, victim)
    with open_native(place) as native:
        native.cleanup()
        assert os.listdir(trash) == []


@pytest.mark.requires("overlay")
def test_a_planted_file_in_the_trash_of_overlays_is_not_followed(place: Path, victim: Victim) -> None:
    """An empty snapshot is deleted by the names `work` and `fs`."""
    from tests.support.snapshotters.overlay import open_overlay  # noqa: PLC0415 - needs overlay

    with open_overlay(place):
        pass
    (place / "overlay/trash/1-planted").symlink_to(victim.directory)
    with open_overlay(place) as overlay:
        overlay.cleanup()
    assert os.listdir(place / "overlay/trash") == []


@pytest.mark.parametrize("kind", ["a link to a directory", "a FIFO", "his"])
@pytest.mark.parametrize("suffix", ["", ".new"])
def test_a_file_planted_in_place_of_a_snapshot_fails_only_one_call(
    place: Path, victim: Victim, kind: str, suffix: str
) -> None:
    with open_native(place) as native:
        native.prepare("first")
        (first,) = os.listdir(place / "native/snapshots")
        plant(place / f"native/snapshots/{int(first) + 1}{suffix}", kind, victim)
        with pytest.raises(Error):
            native.prepare("second")
        native.prepare("second")
        native.remove("first")
        native.cleanup()


@pytest.mark.parametrize("kind", ["a link to a directory", "a FIFO", "his"])
def test_a_file_planted_as_leftover_data_is_quarantined_and_not_followed(
    place: Path, victim: Victim, kind: str
) -> None:
    with open_native(place) as native:
        native.prepare("kept")
        (kept,) = os.listdir(place / "native/snapshots")
    planted = place / f"native/snapshots/{int(kept) + 1}"
    plant(planted, kind, victim)
    with open_native(place) as native:
        wait_until(lambda: not os.path.lexists(planted), 60, "it was reclaimed")
        native.cleanup()


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("suffix", ["", ".new"])
def test_a_link_planted_as_a_recovery_record_is_not_written_through(
    place: Path, victim: Victim, kind: str, suffix: str
) -> None:
    with open_native(place) as native:
        native.prepare("first")
        (first,) = os.listdir(place / "native/snapshots")
        record = place / f"native/records/{int(first) + 1}"
        plant(Path(f"{record}{suffix}"), kind, victim)
        native.prepare("second")
        native.cleanup()
        assert stat.S_ISREG(record.lstat().st_mode)
        assert record.stat().st_uid == 0


def test_a_planted_probe_directory_is_ignored(place: Path, victim: Victim) -> None:
    (place / "root" / NATIVE).mkdir(parents=True)
    (place / "root" / NATIVE / "probe-x").symlink_to(victim.directory)
    use(host_on(place))
    assert (place / "root" / NATIVE / "probe-x").is_symlink()
