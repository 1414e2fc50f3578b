"""Where a layer goes, by the mounts of a snapshot."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from lamina.content import Blob
from lamina.errdefs import FailedPrecondition, MountFailed, NotFound, PermissionDenied
from lamina.layers import LocalDiffer
from lamina.mount import Mount, mountinfo, temporary_mount
from tests.support.blobs import blob_in_file
from tests.support.images.built import layer
from tests.support.trees import open_files

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def overlay(tmp_path: Path) -> Mount:
    for name in ("lower", "lowest", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower" / "gone").touch()
    (tmp_path / "lowest" / "below").mkdir(mode=0o700)
    lower = f"lowerdir={tmp_path}/lower:{tmp_path}/lowest"
    return Mount("overlay", "overlay", (f"workdir={tmp_path}/work", f"upperdir={tmp_path}/upper", lower))


def apply(tmp_path: Path, files: dict[str, str | None], mounts: list[Mount], *, rebased: bool = False) -> None:
    before = open_files()
    with blob_in_file(tmp_path / "blob", layer(files)) as blob:
        LocalDiffer().apply(blob, mounts, rebased=rebased, progress=lambda _: check_not_mounted(tmp_path))
    assert open_files() == before


def check_not_mounted(directory: Path) -> None:
    assert not [info for info in mountinfo() if str(directory) in info.super_options]


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def test_the_upper_directory_of_an_overlay_gets_files_and_whiteouts(tmp_path: Path, overlay: Mount) -> None:
    apply(tmp_path, {"new": "1", ".wh.gone": ""}, [overlay])
    assert (tmp_path / "upper" / "new").read_text() == "1"
    assert is_whiteout(tmp_path / "upper" / "gone")
    with temporary_mount([overlay]) as root:
        assert sorted(os.listdir(root)) == ["below", "new"]


def test_what_an_overlay_has_below_is_looked_up(tmp_path: Path, overlay: Mount) -> None:
    apply(tmp_path, {"below/new": "1"}, [overlay])
    assert stat.S_IMODE((tmp_path / "upper" / "below").stat().st_mode) == 0o700


def test_a_single_layer_below_is_looked_up_as_well(tmp_path: Path, overlay: Mount) -> None:
    single = f"lowerdir={tmp_path}/lowest"
    apply(tmp_path, {"below/new": "1"}, [Mount("overlay", "overlay", (*overlay.options[:2], single))])
    assert stat.S_IMODE((tmp_path / "upper" / "below").stat().st_mode) == 0o700


def test_an_overlay_whose_marks_only_the_kernel_knows_is_mounted(tmp_path: Path, overlay: Mount) -> None:
    mount = Mount("overlay", "overlay", (*overlay.options, "userxattr"))
    with blob_in_file(tmp_path / "blob", layer({"new": "1", ".wh.gone": ""})) as blob:
        LocalDiffer().apply(blob, [mount])
    with temporary_mount([mount]) as root:
        assert sorted(os.listdir(root)) == ["below", "new"]


def test_a_bind_mount_shows_the_merged_tree(tmp_path: Path, target: Path) -> None:
    (target / "gone").touch()
    apply(tmp_path, {"new": "1", ".wh.gone": ""}, [Mount("bind", str(target), ("rbind", "rw"))])
    assert os.listdir(target) == ["new"]


def test_a_bind_mount_of_a_snapshot_to_be_rebased_is_an_upper_directory(tmp_path: Path, target: Path) -> None:
    """As containerd's overlayfs returns it."""
    apply(tmp_path, {".wh.gone": ""}, [Mount("bind", str(target), ("rbind", "rw"))], rebased=True)
    assert is_whiteout(target / "gone")


@pytest.mark.requires("loop", "mkfs.ext4")
def test_a_file_system_in_a_file_is_mounted(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 8 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    mounts = [Mount("ext4", str(image), ("loop", "rw"))]
    apply(tmp_path, {"new": "1"}, mounts)
    with temporary_mount(mounts) as root:
        assert Path(root, "new").read_text() == "1"


def test_read_only_mounts_are_refused(blob: Blob, target: Path, overlay: Mount) -> None:
    views = ([], [Mount("bind", str(target), ("ro",))], [Mount("overlay", "overlay", overlay.options[2:])])
    for mounts in views:
        with pytest.raises(FailedPrecondition, match="writable"):
            LocalDiffer().apply(blob, mounts)
    assert os.listdir(target) == []


def test_a_directory_that_another_user_could_replace_is_refused(blob: Blob, target: Path) -> None:
    inside = target / "inside"
    inside.mkdir()
    os.chown(target, 1234, 1234)
    with pytest.raises(PermissionDenied, match="1234"):
        LocalDiffer().apply(blob, [Mount("bind", str(inside), ("rbind", "rw"))])


def test_a_missing_directory_is_named(blob: Blob, target: Path) -> None:
    with pytest.raises(NotFound, match="missing"):
        LocalDiffer().apply(blob, [Mount("bind", str(target / "missing"), ("rbind", "rw"))])


def test_a_mount_that_the_kernel_refuses_is_named(blob: Blob) -> None:
    with pytest.raises(MountFailed, match="mount ext4 '/dev/null'"):
        LocalDiffer().apply(blob, [Mount("ext4", "/dev/null", ("rw",))])
