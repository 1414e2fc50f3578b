"""Id-mapped mounts."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errdefs import MountFailed
from lamina.mount import IdMap, IdMaps, Mount, lookup, mount_all, mountinfo, read_only, temporary_mount, unmount
from lamina.mount._options import parse_options
from lamina.mount._overlay import split_layers
from lamina.mount.idmap._mounts import _clone, mount_on_attached
from lamina.mount.idmap._user_namespace import user_namespace
from tests.support.trees import open_files

pytestmark = pytest.mark.requires("root", "overlay")

MAPS = ("uidmap=0:1000:10,20:5000:1", "gidmap=0:2000:10")
WCLONE = -(1 << 31)  # __WCLONE of wait(2): children that send no signal when they exit
NOBODY = 65534  # /proc/sys/kernel/overflowuid: unmapped users


def owners(directory: str | Path) -> dict[str, tuple[int, int]]:
    return {
        entry.name: (entry.stat(follow_symlinks=False).st_uid, entry.stat(follow_symlinks=False).st_gid)
        for entry in os.scandir(directory)
    }


def make_file(path: Path, uid: int = 0, gid: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.chown(path, uid, gid)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_file(tmp_path / "source" / "root")
    make_file(tmp_path / "source" / "user", 9, 9)
    make_file(tmp_path / "source" / "far", 20, 0)
    make_file(tmp_path / "source" / "nobody", 30, 30)
    return tmp_path / "source"


SEEN = {"root": (1000, 2000), "user": (1009, 2009), "far": (5000, 2000), "nobody": (NOBODY, NOBODY)}


@pytest.fixture
def nothing_stays_open() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, WCLONE | os.WNOHANG)


@pytest.mark.usefixtures("nothing_stays_open")
def test_the_owners_in_a_bind_mount_are_mapped(source: Path, target: Path) -> None:
    mount_all([Mount("bind", str(source), (*MAPS, "rw", "rbind"))], target)
    assert owners(target) == SEEN
    assert "idmapped" in lookup(target).options
    unmount(target)


def test_files_of_a_mapped_user_belong_to_its_counterpart_on_disk(source: Path, target: Path) -> None:
    mount_all([Mount("bind", str(source), (*MAPS, "rw", "rbind"))], target)
    os.chmod(source, 0o777)
    subprocess.run(["touch", "new"], cwd=target, user=1003, group=2004, extra_groups=[], check=True)
    unmount(target)
    assert owners(source)["new"] == (3, 4)


def test_a_read_only_bind_mount_is_mapped_too(source: Path, target: Path) -> None:
    mount_all([Mount("bind", str(source), (*MAPS, "ro", "rbind", "nodev"))], target)
    assert owners(target) == SEEN
    assert {"ro", "nodev", "idmapped"} <= set(lookup(target).options)
    with pytest.raises(OSError, match="Read-only"):
        (target / "new").touch()
    unmount(target)


def test_only_a_recursive_bind_mount_includes_nested_mounts(tmp_path: Path, source: Path) -> None:
    (source / "below").mkdir()
    mount_all([Mount("tmpfs", "tmpfs", (), "below")], source)
    make_file(source / "below" / "file", 1, 1)
    for bind, seen in (("rbind", {"file": (1001, 2001)}), ("bind", {})):
        with temporary_mount([Mount("bind", str(source), (*MAPS, bind))], directory=tmp_path) as root:
            assert owners(f"{root}/below") == seen
    unmount(source / "below")


@pytest.mark.usefixtures("nothing_stays_open")
def test_the_owners_in_the_layers_of_an_overlay_are_mapped(tmp_path: Path, source: Path, target: Path) -> None:
    make_file(tmp_path / "other:layer" / "other", 1, 2)
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    make_file(tmp_path / "upper" / "own", 1, 2)
    upper = (f"workdir={tmp_path}/work", f"upperdir={tmp_path}/upper")
    lower = f"lowerdir={tmp_path}/other\\:layer:{source}"
    mount_all([Mount("overlay", "overlay", (*MAPS, *upper, lower, "index=off"))], target)
    assert owners(target) == {**SEEN, "other": (1001, 2002), "own": (1, 2)}
    os.chown(target / "root", 1001, 2001)
    unmount(target)
    assert owners(tmp_path / "upper") == {"own": (1, 2), "root": (1001, 2001)}
    assert owners(source)["root"] == (0, 0)


@pytest.mark.usefixtures("nothing_stays_open")
def test_layers_are_attached_temporarily_if_the_kernel_requires_it(
    tmp_path: Path, source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_file(tmp_path / "other" / "other", 1, 2)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    mount = Mount("overlay", "overlay", (f"lowerdir={tmp_path}/other:{source}",))
    layers = split_layers(f"{tmp_path}/other:{source}")
    with user_namespace(IdMaps(*map(IdMap.parse, ("0:1000:10,20:5000:1", "0:2000:10")))) as namespace:
        trees = [_clone(path, namespace) for _, path in layers]
    try:
        mount_on_attached(trees, layers, mount, parse_options(mount.options), str(target))
    finally:
        for tree in trees:
            os.close(tree)
    assert owners(target) == {**SEEN, "other": (1001, 2002)}
    assert [info.mount_point for info in mountinfo() if str(tmp_path) in info.mount_point] == [str(target)]
    assert sorted(os.listdir(tmp_path)) == ["other", "source", "target"]
    unmount(target)


def test_500_layers_can_be_mapped(tmp_path: Path, target: Path) -> None:
    for number in range(500):
        make_file(tmp_path / "layers" / str(number) / f"file{number}", 5, 5)
    lowerdir = ":".join(f"{tmp_path}/layers/{number}" for number in range(500))
    mount_all([Mount("overlay", "overlay", (*MAPS, f"lowerdir={lowerdir}"))], target)
    seen = owners(target)
    assert (len(seen), set(seen.values())) == (500, {(1005, 2005)})
    unmount(target)


def test_a_read_only_overlay_drops_the_maps_of_its_layers(tmp_path: Path, source: Path, target: Path) -> None:
    """As in containerd: the upper directory, which is not mapped, becomes a layer."""
    (tmp_path / "upper").mkdir()
    overlay = Mount("overlay", "overlay", (*MAPS, f"upperdir={tmp_path}/upper", f"lowerdir={source}"))
    mount_all(read_only([overlay]), target)
    assert owners(target)["root"] == (0, 0)
    unmount(target)


def test_a_new_file_system_can_be_mapped(target: Path) -> None:
    mount_all([Mount("tmpfs", "tmpfs", (*MAPS, "nosuid", "mode=700"))], target)
    assert (target.stat().st_uid, target.stat().st_gid) == (1000, 2000)
    assert {"nosuid", "idmapped"} <= set(lookup(target).options)
    unmount(target)


@pytest.mark.usefixtures("nothing_stays_open")
def test_a_map_refused_by_the_kernel_is_named(source: Path, target: Path) -> None:
    overlapping = ("uidmap=0:1000:10,5:3000:1", "gidmap=0:0:1")
    with pytest.raises(MountFailed, match=r"Invalid argument; at uidmap=0:1000:10,5:3000:1 \(user_namespaces"):
        mount_all([Mount("bind", str(source), (*overlapping, "rbind"))], target)


@pytest.mark.usefixtures("nothing_stays_open")
@pytest.mark.parametrize("fs_type", ["bind", "overlay"])
def test_a_file_system_that_cannot_be_mapped_is_named(target: Path, fs_type: str) -> None:
    options = ("rbind",) if fs_type == "bind" else ("lowerdir=/proc/sys:/proc/fs",)
    with pytest.raises(MountFailed, match=r"Invalid argument; at an id-mapped mount of /proc/sys"):
        mount_all([Mount(fs_type, "/proc/sys", (*MAPS, *options))], target)
    assert not os.path.ismount(target)


def test_maps_can_be_created_while_other_threads_run(source: Path, tmp_path: Path) -> None:
    """The child whose namespace is used shares this process's memory for a moment."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            sorted(str(number) for number in range(1000))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(20):
            with temporary_mount([Mount("bind", str(source), (*MAPS, "rbind"))], directory=tmp_path) as root:
                assert owners(root) == SEEN
    finally:
        stop.set()
        for worker in workers:
            worker.join()
