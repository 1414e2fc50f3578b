"""`lamina doctor` reports damage with a remedy, and repairs it if nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.processes.doctors import doctor
from tests.support.processes.hosts import LAMINA, Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")


def metastore(host: Host) -> Path:
    return host.directory / "root/io.lamina.metastore.v1.lmdb"


def test_a_healthy_running_host_has_no_findings(host: Host) -> None:
    for found in (doctor("-c", host.file), doctor(LAMINA_ADDRESS=host.address)):
        assert (found.code, found.wrong()) == (0, [])
        assert any(str(host.overlay) in one["Area"] for one in found.findings)


def test_a_healthy_stopped_host_has_no_findings(stopped: Host) -> None:
    found = doctor("-c", stopped.file)
    assert (found.code, found.wrong()) == (0, [])


def test_a_busy_host_has_no_findings(host: Host) -> None:
    """Snapshots created or removed during the examination are in one source, but not in another."""
    script = """
import itertools, sys
from lamina.client import Client
with Client(sys.argv[1]) as client:
    snapshotter = client.snapshotter("overlayfs")
    for number in itertools.count():
        snapshotter.prepare(f"work-{number}", "layer-2")
        snapshotter.commit(f"done-{number}", f"work-{number}")
        snapshotter.remove(f"done-{number}")
"""
    with subprocess.Popen([LAMINA[0], "-c", script, host.address], stderr=subprocess.DEVNULL) as worker:
        try:
            found = [doctor("-c", host.file) for _ in range(3)]
        finally:
            worker.kill()
    assert [(one.code, one.wrong()) for one in found] == [(0, [])] * 3


def remove_layer(host: Host) -> None:
    shutil.rmtree(host.overlay / "snapshots/2")


def lose_data_root(host: Host) -> None:
    os.rename(host.overlay, host.directory / "away")


def lose_all_layers(host: Host) -> None:
    os.rename(host.overlay / "snapshots", host.overlay / "away")


def replace_layer_by_file(host: Host) -> None:
    remove_layer(host)
    (host.overlay / "snapshots/2").touch()


def replace_layer_by_link(host: Host) -> None:
    os.rename(host.overlay / "snapshots/2", host.overlay / "elsewhere")
    (host.overlay / "snapshots/2").symlink_to("../elsewhere")


def empty_layer(host: Host) -> None:
    (host.overlay / "snapshots/2/fs").rmdir()


def leave_data(host: Host) -> None:
    (host.overlay / "snapshots/99/fs").mkdir(parents=True)


def tear_record(host: Host) -> None:
    os.truncate(host.overlay / "records/1", 20)


def lose_record(host: Host) -> None:
    (host.overlay / "records/3").unlink()


def change_record(host: Host) -> None:
    record = json.loads((host.overlay / "records/4").read_text()) | {"version": 1, "labels": {"a": "b"}}
    (host.overlay / "records/4").write_text(json.dumps(record))


def lose_change(host: Host) -> None:
    record = json.loads((host.overlay / "records/4").read_text())
    later = record | {"version": 1, "labels": {"a": "b"}, "updated": record["updated"] + 1}
    (host.overlay / "records/4").write_text(json.dumps(later))


def keep_record(host: Host) -> None:
    shutil.copy(host.overlay / "records/5", host.overlay / "records/6")


def leave_temporaries(host: Host) -> None:
    (host.overlay / "probe-0123abcd").mkdir()
    (host.overlay / "records/7.new").touch()


def open_to_all(host: Host) -> None:
    (host.overlay / "records").chmod(0o755)
    (metastore(host) / "data.mdb").chmod(0o644)


def give_away(host: Host) -> None:
    os.chown(host.overlay / "trash", 12345, 12345)


def put_in_quarantine(host: Host) -> None:
    (host.overlay / "quarantine/44-20260101T000000.000000Z").mkdir(parents=True)
    (host.overlay / "quarantine").chmod(0o700)


def damage_metastore(host: Host) -> None:
    file = metastore(host) / "data.mdb"
    file.write_bytes(file.read_bytes().replace(b"\x0a\x03box", b"\x0a\x03fox"))  # older pages have it, too


def lose_metastore(host: Host) -> None:
    (metastore(host) / "data.mdb").unlink()


def lose_uuid(host: Host) -> None:
    (host.overlay / "uuid").unlink()


def take_other_uuid(host: Host) -> None:
    (host.overlay / "uuid").write_text("00000000-0000-0000-0000-000000000000 1\n")


def leave_socket(host: Host) -> None:
    host.start()
    host.kill()


BREAKS: list[tuple[Callable[[Host], None], str, str, bool]] = [
    (remove_layer, "data", "problem", False),
    (lose_data_root, "data roots", "problem", False),
    (lose_all_layers, "data roots", "problem", False),
    (replace_layer_by_file, "trees", "problem", False),
    (replace_layer_by_link, "trees", "problem", False),
    (empty_layer, "trees", "problem", False),
    (leave_data, "data without a snapshot", "warning", True),
    (tear_record, "recovery records", "warning", True),
    (lose_record, "recovery records", "warning", True),
    (change_record, "recovery records", "warning", True),
    (lose_change, "recovery records", "problem", False),
    (keep_record, "recovery records", "warning", False),
    (leave_temporaries, "temporaries", "warning", True),
    (open_to_all, "modes and owners", "warning", True),
    (give_away, "modes and owners", "problem", False),
    (put_in_quarantine, "quarantine", "warning", False),
    (damage_metastore, "entries", "problem", False),
    (lose_metastore, "entries", "problem", False),
    (lose_uuid, "metastore's mark", "problem", False),
    (take_other_uuid, "metastore's mark", "problem", False),
    (leave_socket, "socket", "problem", True),
]


@pytest.mark.parametrize(("damage", "check", "status", "mends"), BREAKS, ids=[one[0].__name__ for one in BREAKS])
def test_damage_is_reported_with_a_remedy_and_repaired_if_nothing_is_lost(
    stopped: Host, damage: Callable[[Host], None], check: str, status: str, mends: bool
) -> None:
    damage(stopped)
    before = tree(stopped)
    found = doctor("-c", stopped.file)
    assert (check, status) in found.wrong()
    assert found.code == int("problem" in {kind for _, kind in found.wrong()})
    assert all(one["Remedy"] for one in found.of(check))
    tried = doctor("-c", stopped.file, "--repair", "--dry-run")
    assert tried.wrong() == found.wrong()
    assert tree(stopped) == before
    repaired = doctor("-c", stopped.file, "--repair")
    left = doctor("-c", stopped.file)
    if mends:
        assert all(one["Repair"].startswith("done: ") for one in repaired.of(check))
        assert left.wrong() == ([("quarantine", "warning")] if damage is leave_data else [])
    else:
        assert (check, status) in left.wrong()


def tree(host: Host) -> list[str]:
    """Everything below the host's root and state, but its locks."""
    found = run("find", host.directory / "root", host.directory / "state", "-printf", "%p %m %u %s\n").splitlines()
    return sorted(line for line in found if ".lock " not in line)


def test_data_that_any_source_names_is_not_moved(stopped: Host) -> None:
    """The metastore forgot a snapshot, of which there are data and a recovery record."""
    shutil.copytree(stopped.overlay / "snapshots/4", stopped.overlay / "snapshots/2000")
    record = json.loads((stopped.overlay / "records/4").read_text()) | {
        "version": 1,
        "id": 2000,
        "key": "forgotten",
    }
    (stopped.overlay / "records/2000").write_text(json.dumps(record))
    found = doctor("-c", stopped.file, "--repair")
    (stray,) = found.of("data without a snapshot")
    assert stray["Status"] == "problem"
    assert "lamina metastore rebuild" in stray["Remedy"]
    assert (stopped.overlay / "snapshots/2000").is_dir()
    assert (stopped.overlay / "records/2000").exists()


@pytest.mark.parametrize("recorded", [False, True], ids=["lost", "torn"])
def test_data_of_a_snapshot_whose_records_are_damaged_is_not_moved(stopped: Host, *, recorded: bool) -> None:
    """Identifier 4 is still in the index; a salvaged metastore has not even that."""
    damage_metastore(stopped)
    os.truncate(stopped.overlay / "records/4", 20)
    if not recorded:
        (stopped.overlay / "records/4").unlink()
    for _ in range(2):
        (stray,) = doctor("-c", stopped.file, "--repair").of("data without a snapshot")
        assert stray["Status"] == "problem"
        assert "lamina metastore rebuild" in stray["Remedy"]
        assert (stopped.overlay / "snapshots/4").is_dir()
        stopped.start().stop()


def test_data_beside_a_metastore_without_snapshots_is_not_moved(host: Host) -> None:
    for key in ("look", "box", "layer-2", "layer-1", "layer-0"):
        host.lamina("snapshots", "rm", key)
    host.stop()
    leave_data(host)
    (stray,) = doctor("-c", host.file, "--repair").of("data without a snapshot")
    assert (stray["Status"], stray.get("Repair")) == ("warning", None)
    assert (host.overlay / "snapshots/99").is_dir()


def test_what_only_resembles_a_temporary_file_is_kept(stopped: Host) -> None:
    """Someone restores a backup of the data root beside it."""
    places = [
        *(
            stopped.overlay / name
            for name in ("snapshots.new", "lamina-backup", "probe-2026-11-28", "uuid-old.new")
        ),
        stopped.overlay / "snapshots/restored.new",
        metastore(stopped) / "mine.new",
    ]
    for place in places:
        place.mkdir()
        (place / "precious").touch()
    assert doctor("-c", stopped.file, "--repair").of("temporaries") == []
    assert all((place / "precious").exists() for place in places)


def test_the_remedy_of_a_lost_metastore_restores_everything(stopped: Host) -> None:
    lose_metastore(stopped)
    (lost,) = doctor("-c", stopped.file).of("entries")
    run(*LAMINA, *lost["Remedy"].partition(" (")[0].removeprefix("lamina ").split())
    found = doctor("-c", stopped.file)
    assert (found.code, found.wrong()) == (0, [])


def test_a_salvaged_metastore_is_reported_until_it_is_rebuilt(stopped: Host) -> None:
    damage_metastore(stopped)
    stopped.start()
    (salvaged,) = doctor("-c", stopped.file).of("salvaged")
    assert salvaged["Status"] == "problem"
    assert "stop the host, then lamina metastore rebuild" in salvaged["Remedy"]
    stopped.stop()
    run(*LAMINA, "metastore", "rebuild", "-c", stopped.file)
    found = doctor("-c", stopped.file)
    assert (found.code, found.wrong()) == (0, [])


def test_a_repair_that_would_disturb_a_running_host_is_not_done(host: Host) -> None:
    record = host.overlay / "records/3"
    wait_until(lambda: record.exists() and "layer-2" in record.read_text(), 60, "it tells of the commit")
    lose_record(host)
    found = doctor("-c", host.file, "--repair")
    (missing,) = found.of("recovery records")
    assert missing["Repair"].startswith("not done while a host runs")
    assert not record.exists()


def put_directory_in_place_of_record(host: Host) -> None:
    (host.overlay / "records/1").unlink()
    (host.overlay / "records/1/x").mkdir(parents=True)


def test_one_recovery_record_that_cannot_be_written_keeps_no_other_from_it(stopped: Host) -> None:
    put_directory_in_place_of_record(stopped)
    lose_record(stopped)
    found = doctor("-c", stopped.file, "--repair").of("recovery records")
    assert all(one["Repair"].startswith(("done", "could not")) for one in found)
    left = doctor("-c", stopped.file)
    assert left.wrong() == [("recovery records", "warning")]
    assert "records/1 is a directory" in left.of("recovery records")[0]["Found"]


def test_a_start_writes_the_recovery_records_that_it_can(stopped: Host) -> None:
    put_directory_in_place_of_record(stopped)
    lose_record(stopped)
    stopped.start()
    wait_until((stopped.overlay / "records/3").exists, 60, "it writes the missing record")
    stopped.stop()
    assert doctor("-c", stopped.file).wrong() == [("recovery records", "warning")]


def test_nothing_is_left_of_data_that_cannot_be_made_again(stopped: Host) -> None:
    for id_ in ("1", "3", "4"):  # the lowest and the highest layer, and the active snapshot on them
        shutil.rmtree(stopped.overlay / "snapshots" / id_)
    stopped.start()
    wait_until(lambda: "cannot be made again" in stopped.stderr, 60, "it tries to make the active snapshot again")
    stopped.stop()
    found = doctor("-c", stopped.file)
    assert {check for check, _ in found.wrong()} == {"data"}


def test_a_world_writable_data_root_is_reported_once(stopped: Host) -> None:
    stopped.overlay.chmod(0o777)
    found = [one["Status"] for one in doctor("-c", stopped.file).of("modes and owners")]
    assert found == ["problem", "warning"]


@pytest.mark.parametrize("place", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_nothing_that_a_link_leads_to_gets_another_mode(
    stopped: Host, place: Callable[[Path, Path], None]
) -> None:
    other = stopped.directory / "other"
    other.write_text("precious")
    other.chmod(0o644)
    (stopped.overlay / "uuid").unlink()
    place(other, stopped.overlay / "uuid")
    (found,) = doctor("-c", stopped.file, "--repair").of("modes and owners")
    assert f"mv {stopped.overlay}/uuid {stopped.overlay}/uuid.old" in found["Remedy"]
    assert other.stat().st_mode & 0o777 == 0o644


def test_a_directory_replaced_by_a_link_or_a_file_keeps_the_mode_there(stopped: Host) -> None:
    other = stopped.directory / "other"
    other.mkdir(0o755)
    (stopped.overlay / "quarantine").symlink_to(other)
    (stopped.overlay / "trash").rmdir()
    (stopped.overlay / "trash").touch(0o644)
    found = doctor("-c", stopped.file, "--repair")
    assert (found.code, found.of("modes and owners")) == (1, [])
    assert [(path.stat().st_mode & 0o777) for path in (other, stopped.overlay / "trash")] == [0o755, 0o644]


def test_checks_that_cannot_run_have_another_exit_code(host: Host, tmp_path: Path) -> None:
    assert doctor("-a", tmp_path / "nobody.sock").code == 2
    os.rename(host.address, f"{host.address}.away")
    held = doctor("-c", host.file)
    assert (held.code, held.findings) == (2, ())
    assert f"is locked by process {host.pid}" in held.said
    os.rename(f"{host.address}.away", host.address)
