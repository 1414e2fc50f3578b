"""The location of LMDB's lock file, and leftovers of opening a metastore."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition, PermissionDenied
from lamina.snapshots import Kind
from lamina.snapshots.storage import MetaStore
from lamina.steps import run

SHARED_AND_WRITABLE = re.compile(r"^\S+ .w.s \S+ \S+ \S+ +(?P<file>/.*)$", re.MULTILINE)
"""A line of /proc/self/maps of a mapping that a file system may have no space for (proc_pid_maps(5))."""


def fill(store: MetaStore) -> None:
    keyspace = store.snapshotter("overlayfs").keyspace("lamina")
    for key in "abc":
        run(keyspace.create(keyspace.draft(Kind.ACTIVE, key, "", {})))


def test_no_file_on_disk_is_mapped_shared_and_writable(tmp_path: Path) -> None:
    before = shared_and_writable()
    store = MetaStore.open(str(tmp_path / "root"), str(tmp_path / "state"))
    fill(store)
    mapped = shared_and_writable() - before
    store.close()
    assert [file for file in mapped if not file.startswith("/memfd:")] == []


def shared_and_writable() -> set[str]:
    """The files that this process maps shared and writable."""
    return set(SHARED_AND_WRITABLE.findall(Path("/proc/self/maps").read_text()))


def test_the_lock_file_is_preallocated(tmp_path: Path) -> None:
    before = lock_files()
    store = MetaStore.open(str(tmp_path / "root"))
    (status,) = [status for inode, status in lock_files().items() if inode not in before]
    store.close()
    assert status.st_blocks * 512 >= status.st_size > 1024 * 64


def lock_files() -> dict[int, os.stat_result]:
    """The lock files that this process has open, by inode: those of other metastores, too."""
    found: dict[int, os.stat_result] = {}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            if os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:lock.mdb"):
                status = os.fstat(int(fd))
                found[status.st_ino] = status
    return found


def test_opening_leaves_files_only_in_the_root(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path / "root"), str(tmp_path / "state"))
    fill(store)
    found = {name: sorted(os.listdir(tmp_path / name)) for name in os.listdir(tmp_path)}
    store.close()
    assert found == {"root": ["ballast", "data.mdb", "lamina.lock"], "state": []}


def test_leftovers_of_a_killed_opening_are_removed(tmp_path: Path) -> None:
    MetaStore.open(str(tmp_path / "root"), str(tmp_path / "state")).close()
    killed = (
        "import os, signal, sys, lmdb\n"
        "lmdb.open = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from lamina.snapshots.storage import MetaStore\n"
        "MetaStore.open(sys.argv[1], sys.argv[2])\n"
    )
    subprocess.run([sys.executable, "-c", killed, tmp_path / "root", tmp_path / "state"], check=False)
    assert os.listdir(tmp_path / "state") != []
    MetaStore.open(str(tmp_path / "root"), str(tmp_path / "state")).close()
    assert os.listdir(tmp_path / "state") == []


def test_the_lock_file_of_an_earlier_version_is_removed(tmp_path: Path) -> None:
    (tmp_path / "lock.mdb").write_bytes(b"\0" * 8192)
    MetaStore.open(str(tmp_path)).close()
    assert sorted(os.listdir(tmp_path)) == ["ballast", "data.mdb", "lamina.lock"]


def test_two_metastores_can_be_open_side_by_side(tmp_path: Path) -> None:
    stores = [MetaStore.open(str(tmp_path / name), str(tmp_path / "state")) for name in ("one", "two")]
    for store in stores:
        fill(store)
    found = [
        [info.info.name for info in store.snapshotter("overlayfs").keyspace("lamina").walk()] for store in stores
    ]
    for store in stores:
        store.close()
    assert found == [["a", "b", "c"]] * 2


def test_child_processes_inherit_no_descriptor_of_the_data(tmp_path: Path) -> None:
    store = MetaStore.open(str(tmp_path))
    shown = subprocess.run(
        ["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, text=True, check=True
    )
    store.close()
    assert str(tmp_path) not in shown.stdout


def test_data_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/data.mdb").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FailedPrecondition, match="is a symbolic link"):
        MetaStore.open(str(tmp_path / "root"))


def test_a_directory_in_which_others_can_rename_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "planted").touch()
    state.chmod(0o777)
    with pytest.raises(PermissionDenied, match="can be written to by every user"):
        MetaStore.open(str(tmp_path / "root"), str(state))
