"""Mounts of a directory in this and in other mount namespaces."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.mount import Mount, mount_all, temporary_mount, unmount
from lamina.mount.in_use import find_mounts, made_below, made_of
from tests.support.snapshotters.btrfs import mounted_btrfs, run

pytestmark = pytest.mark.requires("root", "overlay")

ODD = "a b,c:d\\e\"f'\t"
READY = "import sys; print(flush=True); sys.stdin.read()"


def escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def overlay(directory: Path, layers: int = 1) -> Mount:
    """Return a writable overlay of new directories."""
    names = ["fs", "work", *(f"lower{number}" for number in range(layers))]
    for name in names:
        (directory / name).mkdir(parents=True)
    fs, work, *lower = (escaped(directory / name) for name in names)
    options = (f"workdir={work}", f"upperdir={fs}", f"lowerdir={':'.join(lower)}", "index=off")
    return Mount("overlay", "overlay", options)


def places(mount: Mount) -> list[str]:
    return [place.mount_point for place in find_mounts(made_of([mount])).places]


@contextlib.contextmanager
def in_another_namespace(*command: str) -> Iterator[int]:
    """Run a shell command in a mount namespace of its own, which lasts as long as the block; yields a process."""
    words = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        f"{' '.join(command)}; exec $0 -c '{READY}'",
    ]
    with subprocess.Popen([*words, sys.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        yield process.pid
        process.communicate()


@pytest.mark.parametrize("name", ["plain", ODD, "x" * 250], ids=["plain", "odd", "long"])
@pytest.mark.parametrize("layers", [1, 40])
def test_an_overlay_is_found_by_its_upper_directory(tmp_path: Path, target: Path, name: str, layers: int) -> None:
    mount, other = overlay(tmp_path / name, layers), overlay(tmp_path / "other")
    assert places(mount) == []
    with temporary_mount([mount], directory=target) as root:
        assert places(mount) == [root]
        assert places(other) == []


def test_an_overlay_mounted_by_relative_path_or_link_is_found(tmp_path: Path, target: Path) -> None:
    mount = overlay(tmp_path / "snapshots/7")
    (tmp_path / "link").symlink_to(tmp_path / "snapshots")
    for root in ("snapshots", str(tmp_path / "link")):
        options = f"lowerdir={root}/7/lower0,upperdir={root}/7/fs,workdir={root}/7/work"
        command = (
            "import ctypes, sys; sys.exit(ctypes.CDLL(None).mount(b'o', sys.argv[1].encode(), b'overlay', 0, "
        )
        command += "sys.argv[2].encode()))"
        subprocess.run([sys.executable, "-c", command, target, options], check=True, cwd=tmp_path)
        try:
            assert places(mount) == [str(target)]
        finally:
            unmount(target)


def test_a_read_only_overlay_is_found_by_its_layers(tmp_path: Path, target: Path) -> None:
    overlay(tmp_path / "a", layers=3)
    view = Mount("overlay", "overlay", (f"lowerdir={tmp_path}/a/lower0:{tmp_path}/a/lower1",))
    longer = Mount("overlay", "overlay", (f"{view.options[0]}:{tmp_path}/a/lower2",))
    with temporary_mount([view], directory=target) as root:
        assert (places(view), places(longer)) == ([root], [])


def test_a_bind_mount_of_a_directory_or_of_one_in_it_is_found(tmp_path: Path, target: Path) -> None:
    (tmp_path / "one/inner").mkdir(parents=True)
    (tmp_path / "one2").mkdir()
    mount = Mount("bind", str(tmp_path / "one"), ("rbind", "rw"))
    assert places(mount) == []
    for name, found in (("one", [str(target)]), ("one/inner", [str(target)]), ("one2", [])):
        mount_all([Mount("bind", str(tmp_path / name), ("rbind", "ro"))], target)
        try:
            assert places(mount) == found
        finally:
            unmount(target)


@pytest.mark.requires("btrfs")
def test_a_btrfs_is_found_by_subvolume_id_whatever_its_device_name(tmp_path: Path, target: Path) -> None:
    with mounted_btrfs(tmp_path) as mountpoint:
        run("btrfs", "subvolume", "create", mountpoint / "s")
        device = run("findmnt", "--raw", "-no", "SOURCE", mountpoint)
        id_ = run("btrfs", "inspect-internal", "rootid", mountpoint / "s")
        alias = tmp_path / "alias"
        os.mknod(alias, 0o600 | stat.S_IFBLK, os.stat(device).st_rdev)
        mount, same = (Mount("btrfs", str(source), (f"subvolid={id_}",)) for source in (device, alias))
        assert places(same) == []
        with temporary_mount([mount], directory=target) as root:
            assert places(same) == [root]
            below = find_mounts(made_below(str(mountpoint / "s"))).places
            assert [place.mount_point for place in below] == [root]


def test_a_mount_in_another_namespace_is_found_with_a_process_of_it(tmp_path: Path, target: Path) -> None:
    mount = overlay(tmp_path / "1")
    with in_another_namespace(f"mount -t overlay -o {','.join(mount.options)} overlay {target}") as pid:
        (place,) = find_mounts(made_of([mount])).places
        assert (place.mount_point, place.pid, place.command) == (
            str(target),
            pid,
            Path(sys.executable).name,
        )
    assert places(mount) == []


def test_the_same_path_in_another_namespace_may_be_another_directory(tmp_path: Path, target: Path) -> None:
    """As in a container with its own host and a data root at the same path."""
    mount = overlay(tmp_path / "data/1")
    make = f"mount -t tmpfs tmpfs {tmp_path}/data && mkdir -p {tmp_path}/data/1/fs {tmp_path}/data/1/work"
    make += f" {tmp_path}/data/1/lower0 && mount -t overlay -o {','.join(mount.options)} overlay {target}"
    with in_another_namespace(make):
        assert places(mount) == []


def test_mounts_are_found_despite_a_process_with_another_root_directory(tmp_path: Path, target: Path) -> None:
    """Such a process sees only the mounts below its root directory."""
    mount = overlay(tmp_path / "1")
    (tmp_path / "jail").mkdir()
    command = f"import os, sys; os.chroot({str(tmp_path / 'jail')!r}); {READY}"
    script = (
        f'mount -t overlay -o {",".join(mount.options)} overlay {target}; exec 3<&0; $0 -c "{command}" <&3 & wait'
    )
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, sys.executable]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        try:
            assert places(mount) == [str(target)]
        finally:
            process.communicate()


def test_mounts_below_a_directory_are_found(tmp_path: Path, target: Path) -> None:
    mount = overlay(tmp_path / "1")
    (tmp_path / "link").symlink_to(tmp_path)
    bind = Mount("bind", str(tmp_path / "1/fs"), ("bind",))
    for one in (mount, bind):
        with temporary_mount([one], directory=target) as root:
            for path, found in (("1", [root]), ("link/1", [root]), ("2", []), ("1/work", [])):
                below = find_mounts(made_below(str(tmp_path / path))).places
                assert [place.mount_point for place in below] == found, path
