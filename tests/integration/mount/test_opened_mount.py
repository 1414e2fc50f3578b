"""Mounts that are used through a descriptor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.errdefs import MountFailed
from lamina.mount import Mount, lower_layers, mountinfo, opened_mount
from tests.support.trees import open_files

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def overlay(tmp_path: Path) -> Mount:
    for name in ("lower", "lowest", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower" / "file").write_text("seen")
    (tmp_path / "upper" / "own").touch()
    lower = f"lowerdir={tmp_path}/lower:{tmp_path}/lowest"
    return Mount("overlay", "overlay", (lower, f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"))


@pytest.fixture
def image(tmp_path: Path) -> Mount:
    path = tmp_path / "image"
    path.touch()
    os.truncate(path, 8 << 20)
    subprocess.run(["mkfs.ext4", "-q", path], check=True)
    return Mount("ext4", str(path), ("loop", "rw"))


def mentioned(directory: Path) -> list[str]:
    return [
        info.mount_point for info in mountinfo() if str(directory) in f"{info.mount_point} {info.super_options}"
    ]


def test_no_path_leads_to_a_single_file_system(tmp_path: Path, overlay: Mount) -> None:
    with opened_mount([overlay]) as root:
        assert sorted(os.listdir(root)) == ["file", "own"]
        os.mkdir("new", dir_fd=root)
        assert mentioned(tmp_path) == []
    assert (tmp_path / "upper" / "new").is_dir()


def test_a_read_only_one_shows_everything_and_refuses_writes(overlay: Mount) -> None:
    with opened_mount([overlay], read_only=True) as root:
        assert sorted(os.listdir(root)) == ["file", "own"]
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir("new", dir_fd=root)


def test_the_layers_below_an_upper_directory_can_be_opened_alone(overlay: Mount) -> None:
    with opened_mount([lower_layers(overlay)]) as root:
        assert os.listdir(root) == ["file"]


def test_a_single_layer_below_an_upper_directory_is_a_bind_mount(tmp_path: Path) -> None:
    overlay = Mount("overlay", "overlay", ("workdir=/w", "upperdir=/u", f"lowerdir={tmp_path}", "index=off"))
    assert lower_layers(overlay) == Mount("bind", str(tmp_path), ("ro", "rbind"))


def test_a_bind_mount_has_a_temporary_mount_point(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with opened_mount([Mount("bind", str(tmp_path), ("rbind", "ro"))]) as root:
        assert os.listdir(root) == ["file"]
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir("new", dir_fd=root)
    assert mentioned(tmp_path) == []


@pytest.mark.requires("loop", "mkfs.ext4")
def test_a_loop_device_is_freed_with_the_mount(tmp_path: Path, image: Mount) -> None:
    """The fixture that looks for leftovers finds none."""
    with opened_mount([image]) as root:
        os.mkdir("new", dir_fd=root)
    with opened_mount([image], read_only=True) as root:
        assert sorted(os.listdir(root)) == ["lost+found", "new"]


@pytest.mark.requires("loop", "mkfs.ext4")
def test_nothing_stays_of_a_process_that_is_killed(image: Mount) -> None:
    """As above."""
    program = (
        "import os, signal; from lamina.mount import Mount, opened_mount\n"
        f"with opened_mount([{image!r}]): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9


def test_a_mount_that_fails_says_what_the_kernel_says(overlay: Mount) -> None:
    before = open_files()
    with (
        pytest.raises(MountFailed, match=r"mount overlay 'overlay' on a descriptor: .*nonsense"),
        opened_mount([Mount("overlay", "overlay", (*overlay.options, "nonsense"))]),
    ):
        pass
    assert open_files() == before
