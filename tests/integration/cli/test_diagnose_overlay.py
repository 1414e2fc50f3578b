"""`lamina diagnose` of file systems on which overlays or bind mounts do not work as expected."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disks.full_disks import fill
from tests.support.processes.diagnoses import diagnose
from tests.support.processes.hosts import CONFIG
from tests.support.snapshotters.btrfs import mounted_btrfs

pytestmark = pytest.mark.requires("root", "overlay")

OVERLAY = "io.containerd.snapshotter.v1.overlayfs"
SBIN = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}


def shell(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, env=SBIN)


def configured(directory: Path, **overlay: object) -> Path:
    """A configuration file whose overlay snapshotter has those settings."""
    file = directory / "config.toml"
    settings = "".join(f"{key} = {value}\n" for key, value in overlay.items())
    file.write_text(f'{CONFIG.format(directory)}[plugins."{OVERLAY}"]\n{settings}')
    return file


@contextlib.contextmanager
def mounted(directory: Path, *arguments: str | Path) -> Iterator[Path]:
    """Something mounted at `directory/mnt`."""
    mountpoint = directory / "mnt"
    mountpoint.mkdir()
    shell("mount", *arguments, mountpoint)
    try:
        yield mountpoint
    finally:
        shell("umount", mountpoint)


@contextlib.contextmanager
def mounted_ext4(directory: Path, *arguments: str) -> Iterator[Path]:
    """A new ext4 of 16 MiB at `directory/mnt`."""
    image = directory / "image"
    image.touch()
    os.truncate(image, 16 << 20)
    shell("mkfs.ext4", "-q", *arguments, image)
    with mounted(directory, "-o", "loop", image) as mountpoint:
        yield mountpoint


@pytest.mark.requires("mkfs.ext4")
def test_the_remedy_enables_d_type(tmp_path: Path) -> None:
    with mounted_ext4(tmp_path, "-O", "^filetype") as mountpoint:
        file = configured(tmp_path, root_path=f'"{mountpoint}/layers"')
        d_type = diagnose("-c", file).one(OVERLAY, "d_type")
        assert d_type["Status"] == "problem"
        assert f"at {mountpoint} does not store the types of directory entries" in d_type["Found"]
        commands = d_type["Remedy"].removeprefix("with the host stopped: ").partition(". Or ")[0]
        unmount, *mend, mount = map(shlex.split, commands.split("; "))
        device = subprocess.run(
            ["losetup", "--find", "--show", tmp_path / "image"], capture_output=True, text=True, check=True
        ).stdout.strip()  # a device that outlives being unmounted, as real ones do
        try:
            shell(*unmount)
            theirs = mount[1]
            for command in mend:  # e2fsck exits with 1 where it mended something
                subprocess.run(
                    [device if word == theirs else word for word in command] + ["-y"] * (command[0] == "e2fsck"),
                    env=SBIN,
                    capture_output=True,
                    check=False,
                )
            shell("mount", device, mountpoint)
        finally:
            shell("losetup", "--detach", device)  # when it is unmounted
        assert diagnose("-c", file).one(OVERLAY, "d_type")["Status"] == "ok"


@pytest.mark.requires("mkfs.ext4")
def test_a_read_only_file_system_is_named_with_the_command_that_changes_it(tmp_path: Path) -> None:
    with mounted_ext4(tmp_path) as mountpoint:
        file = configured(tmp_path, root_path=f'"{mountpoint}/layers"')
        shell("mount", "-o", "remount,ro", mountpoint)
        root = diagnose("-c", file).of(OVERLAY, "data root")[0]
        assert root["Status"] == "problem"
        assert "is on a file system mounted read-only (ext4 /dev/loop" in root["Found"]
        shell(*shlex.split(root["Remedy"].partition(". ")[0]))
        assert diagnose("-c", file).one(OVERLAY, "mount options")["Status"] == "ok"


def test_restrictions_inherited_by_bind_mounts_are_warned_of(tmp_path: Path) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "-o", "nodev,noexec,mode=0700", "tmpfs") as mountpoint:
        file = configured(tmp_path, root_path=f'"{mountpoint}"')
        lasting, restricted = diagnose("-c", file).of(OVERLAY, "data root")
        assert lasting["Found"] == f"{mountpoint} is on tmpfs: its content is lost after a reboot"
        assert "is on a mount with nodev,noexec" in restricted["Found"]
        shell(*shlex.split(restricted["Remedy"].partition(", and ")[0]))
        assert len(diagnose("-c", file).of(OVERLAY, "data root")) == 1


@pytest.mark.requires("mkfs.ext4")
def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    with mounted_ext4(tmp_path, "-m", "0") as mountpoint:
        file = configured(tmp_path, root_path=f'"{mountpoint}"')
        assert diagnose("-c", file).one(OVERLAY, "data root")["Status"] == "warning"
        fill(mountpoint)
        root = diagnose("-c", file).one(OVERLAY, "data root")
        assert root["Status"] == "problem"
        assert root["Found"].startswith(f"{mountpoint} is full: 0.0 MiB and ")
        assert f"du -xh {mountpoint}" in root["Remedy"]


def test_a_data_root_on_an_overlay_is_a_problem(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    with mounted(tmp_path, "-t", "overlay", "-o", options, "overlay") as mountpoint:
        found = diagnose("-c", configured(tmp_path, root_path=f'"{mountpoint}"'))
        assert "is it a container's root file system?" in found.one(OVERLAY, "data root")["Found"]
        mount = found.one(OVERLAY, "mount")
        assert mount["Status"] == "problem"
        assert "set root_path to a directory on ext4, xfs or btrfs" in mount["Remedy"]


def test_a_rejected_mount_option_is_named_with_the_kernels_message(tmp_path: Path) -> None:
    file = configured(tmp_path, mount_options='["redirect_dir=on", "bogus=1"]')
    option = diagnose("-c", file).one(OVERLAY, "mount options")
    assert option["Status"] == "problem"
    assert option["Found"].startswith("bogus=1 is rejected: ")
    assert "Unknown parameter 'bogus'" in option["Found"]
    assert option["Remedy"] == "remove 'bogus=1' from mount_options"


def test_options_rejected_only_together_are_reported(tmp_path: Path) -> None:
    file = configured(tmp_path, mount_options='["userxattr", "metacopy=on"]')
    option = diagnose("-c", file).one(OVERLAY, "mount options")
    assert option["Found"].startswith("userxattr, metacopy=on are each accepted alone, and rejected together: ")


def test_a_path_that_cannot_be_passed_in_mount_options_is_a_problem(tmp_path: Path) -> None:
    file = configured(tmp_path, root_path=f'"{tmp_path}/a:b"')
    path = diagnose("-c", file).one(OVERLAY, "path")
    assert (path["Status"], "':' cannot be in a path" in path["Found"]) == ("problem", True)


@pytest.mark.requires("btrfs")
def test_on_btrfs_a_subvolume_is_created_and_mounted(tmp_path: Path) -> None:
    file = configured(tmp_path)
    uri = "io.containerd.snapshotter.v1.btrfs"
    with mounted_btrfs(tmp_path) as mountpoint:
        with file.open("a") as config:
            config.write(f'[plugins."{uri}"]\nroot_path = "{mountpoint}/root"\n')
        found = diagnose("-c", file, "--snapshotter", "btrfs")
        assert found.one(uri, "subvolumes")["Status"] == "ok"
        assert not [one for one in found.findings if one["Area"] == OVERLAY]
        assert os.listdir(mountpoint) == []


def test_a_btrfs_root_path_on_another_file_system_is_a_problem(tmp_path: Path) -> None:
    file = configured(tmp_path)
    uri = "io.containerd.snapshotter.v1.btrfs"
    with file.open("a") as config:
        config.write(f'[plugins."{uri}"]\nroot_path = "{tmp_path}/root"\n')
    with mounted(tmp_path, "-t", "tmpfs", "tmpfs"):
        assert "not on btrfs" in diagnose("-c", file).one(uri, "file system")["Found"]


def test_id_mapping_is_not_probed_if_disabled(tmp_path: Path) -> None:
    found = diagnose("-c", configured(tmp_path, remap_ids="false")).one("overlayfs", "id-mapped layers")
    assert (found["Status"], found["Found"]) == ("ok", "disabled: remap_ids = false")
