"""`lamina metastore`, with a host and without one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import environment
from tests.support.directories import short_directory
from tests.support.processes import forked
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def host() -> Iterator[Host]:
    """A host with two layers and an active snapshot, running."""
    with short_directory() as directory, Host(directory / "h").running() as running:
        with running.client() as client:
            snapshotter = client.snapshotter("overlayfs")
            snapshotter.prepare("extract")
            snapshotter.commit("base", "extract")
            snapshotter.prepare("extract", "base")
            snapshotter.commit("top", "extract")
            snapshotter.prepare("box", "top", {"a": "b"})
        yield running


def database(host: Host) -> Path:
    return host.directory / "root/io.lamina.metastore.v1.lmdb/data.mdb"


def metastore(*words: str | Path, code: int = 0, **variables: str) -> str:
    """Run `lamina metastore`; returns what it printed, on stderr where it was refused."""
    done = forked.run("metastore", *words, env=environment() | variables)
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


def document(*words: str | Path, **variables: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(metastore(*words, "--json", **variables))
    return found


def keys(host: Host) -> set[str]:
    with host.client() as client:
        return {info.name for info in client.snapshotter("overlayfs").walk()}


def test_a_backup_comes_from_the_running_host_by_configuration_or_address(host: Host) -> None:
    for found in (document("check", "-c", host.file), document("check", LAMINA_ADDRESS=host.address)):
        assert (found["Metastore"], found["Snapshots"], found["Problems"]) == (host.address, 3, [])


def test_without_a_host_the_file_is_checked(host: Host) -> None:
    host.stop()
    found = document("check", "-c", host.file)
    assert (found["Metastore"], found["Snapshots"]) == (str(database(host).parent), 3)


def test_a_file_that_cannot_be_used_is_an_error_though_a_host_answers(host: Host, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("version = 4\nstate = 5\n")
    for file, expected in ((tmp_path / "none.toml", "cannot be read"), (wrong, ":2: state: expected a string")):
        for words in (["check"], ["backup", tmp_path / "copy"]):
            assert expected in metastore(*words, "-c", file, code=1, LAMINA_ADDRESS=host.address)
    assert os.listdir(tmp_path) == ["wrong.toml"]


def test_the_directories_that_are_given_are_checked_and_not_those_of_another_host(
    host: Host, tmp_path: Path
) -> None:
    places = ["--root", tmp_path / "root", "--state", tmp_path / "state"]
    said = metastore("check", *places, code=1, LAMINA_ADDRESS=host.address)
    assert f"there is no metastore at {tmp_path}/root/" in said


def test_an_address_without_a_host_is_an_error(host: Host, tmp_path: Path) -> None:
    said = metastore("check", code=1, LAMINA_ADDRESS=str(tmp_path / "x.sock"), LAMINA_CONFIG="")
    assert "no host answers" in said
    assert "-c FILE" in said


def test_a_rebuild_with_only_an_address_says_which_option_is_missing(host: Host) -> None:
    for words in (["rebuild"], ["restore", host.file]):
        said = metastore(*words, code=1, LAMINA_ADDRESS=host.address, LAMINA_CONFIG="")
        assert said.startswith(f"lamina: {words[0]} the metastore: only the address")
        assert "-c FILE" in said


def test_a_damaged_record_is_found(host: Host) -> None:
    host.kill()
    data = database(host).read_bytes()
    database(host).write_bytes(data.replace(b"\x0a\x03box", b"\x0a\x03fox"))  # older pages have it, too
    said = metastore("check", "-c", host.file, code=1)
    assert "has a wrong checksum" in said
    assert "lamina metastore rebuild" in said


def test_a_half_overwritten_metastore_is_rebuilt_from_the_rest_and_recovery_records(host: Host) -> None:
    host.stop()
    data = bytearray(database(host).read_bytes())
    data[len(data) // 2 :] = os.urandom(len(data) - len(data) // 2)
    database(host).write_bytes(data)
    assert document("rebuild", "-c", host.file)["Restored"] == 3
    assert document("check", "-c", host.file)["Problems"] == []
    host.start()
    assert keys(host) == {"base", "top", "box"}


def test_only_its_owner_can_read_a_backup_of_a_running_host(host: Host, tmp_path: Path) -> None:
    found = document("backup", "-c", host.file, tmp_path / "copy")
    assert (found["Path"], found["Snapshots"]) == (str(tmp_path / "copy"), 3)
    assert os.stat(tmp_path / "copy").st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["copy"]


def test_a_backup_without_a_host_is_the_same(host: Host, tmp_path: Path) -> None:
    metastore("backup", "-c", host.file, tmp_path / "hot")
    host.stop()
    metastore("backup", "-c", host.file, tmp_path / "cold")
    assert document("backup", "-c", host.file, tmp_path / "cold")["Snapshots"] == 3


def test_a_backup_that_cannot_be_written_keeps_the_previous_one(host: Host, tmp_path: Path) -> None:
    host.stop()
    metastore("backup", "-c", host.file, tmp_path / "copy")
    before = (tmp_path / "copy").read_bytes()
    database(host).write_bytes(b"garbage" * 1000)
    metastore("backup", "-c", host.file, tmp_path / "copy", code=1)
    assert (tmp_path / "copy").read_bytes() == before
    assert os.listdir(tmp_path) == ["copy"]


def test_a_backup_replaces_nothing_but_a_file(host: Host, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        assert "not a regular file" in metastore("backup", "-c", host.file, tmp_path / name, code=1)
    assert "name a file" in metastore("backup", "-c", host.file, "-", code=2)
    assert ((tmp_path / "pipe").is_fifo(), os.readlink(tmp_path / "link")) == (True, "pipe")
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


def test_a_running_host_prevents_rebuild_and_restore(host: Host, tmp_path: Path) -> None:
    metastore("backup", "-c", host.file, tmp_path / "copy")
    for words in (["rebuild"], ["restore", tmp_path / "copy"]):
        assert f"is locked by process {host.pid}" in metastore(*words, "-c", host.file, code=1)


def test_a_host_serves_a_rebuilt_metastore(host: Host) -> None:
    host.stop()
    database(host).unlink()
    assert document("rebuild", "--dry-run", "-c", host.file)["Changed"] is False
    assert not database(host).exists()
    said = metastore("rebuild", "-c", host.file)
    assert "restored     3 snapshots: 3 from recovery records" in said
    assert "not restored names of images, labels of blobs and leases: " in said
    assert "Nothing was changed" in metastore("rebuild", "-c", host.file)
    host.start()
    assert keys(host) == {"base", "top", "box"}


def test_snapshots_newer_than_a_restored_backup_are_recovered(host: Host, tmp_path: Path) -> None:
    metastore("backup", "-c", host.file, tmp_path / "copy")
    with host.client() as client:
        client.snapshotter("overlayfs").remove("box")
        client.snapshotter("overlayfs").prepare("later", "top")
    host.stop()
    said = metastore("restore", "-c", host.file, tmp_path / "copy")
    assert "leases made or changed since the backup: import or pull" in said
    host.start()
    assert keys(host) == {"base", "top", "later"}
    aside = [name for name in os.listdir(database(host).parent) if "before-restore" in name]
    assert len(aside) == 1
