"""Files mounted as block devices."""

from __future__ import annotations

import concurrent.futures
import errno
import os
import subprocess
from pathlib import Path

import pytest

from lamina.errdefs import InvalidArgument, MountFailed
from lamina.mount import LoopDevice, Mount, lookup, mount_all, temporary_mount, unmount
from tests.support.trees import open_files
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "loop", "mkfs.ext4")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.touch()
    os.truncate(path, 8 << 20)
    subprocess.run(["mkfs.ext4", "-q", path], check=True)
    return path


def attached(backing: Path) -> list[str]:
    """The loop devices that are backed by a file."""
    command = ["losetup", "--noheadings", "--output", "NAME", "--associated", backing]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def wait_until_freed(backing: Path) -> None:
    """Wait until a file backs no loop device: a process that looks for a free one may still have it open."""
    wait_until(lambda: not attached(backing), 120, f"no loop device is backed by {backing}")


def test_the_loop_device_of_an_image_is_freed_with_the_mount(image: Path, target: Path) -> None:
    mount_all([Mount("ext4", str(image), ("loop",))], target)
    assert attached(image) == [lookup(target).source]
    (target / "file").write_text("kept")
    unmount(target)
    wait_until_freed(image)
    mount_all([Mount("ext4", str(image), ("loop", "noatime"))], target)
    assert (target / "file").read_text() == "kept"
    assert "noatime" in lookup(target).options
    unmount(target)


def test_a_read_only_mount_cannot_change_the_image(image: Path, target: Path) -> None:
    image.chmod(0o400)
    before = image.read_bytes()
    mount_all([Mount("ext4", str(image), ("ro", "loop"))], target)
    (device,) = attached(image)
    assert Path("/sys/block", device.removeprefix("/dev/"), "ro").read_text() == "1\n"
    with pytest.raises(OSError, match="Read-only"):
        (target / "file").touch()
    unmount(target)
    assert image.read_bytes() == before


def test_a_device_can_bypass_the_page_cache(image: Path) -> None:
    with LoopDevice.attach(image, direct_io=True) as device:
        assert Path("/sys/block", device.path.removeprefix("/dev/"), "loop/dio").read_text() == "1\n"
    with LoopDevice.attach(image) as device:
        assert Path("/sys/block", device.path.removeprefix("/dev/"), "loop/dio").read_text() == "0\n"


def test_direct_io_is_an_option_of_a_loop_mount(image: Path, target: Path) -> None:
    mount_all([Mount("ext4", str(image), ("loop", "direct-io"))], target)
    name = lookup(target).source.removeprefix("/dev/")
    assert Path("/sys/block", name, "loop/dio").read_text() == "1\n"
    unmount(target)


def test_a_failed_mount_leaves_no_device(tmp_path: Path, image: Path, target: Path) -> None:
    before = open_files()
    with pytest.raises(MountFailed, match=f"mount ext4 '{image}' on {target}: .*nonsense"):
        mount_all([Mount("ext4", str(image), ("loop", "nonsense"))], target)
    with pytest.raises(MountFailed, match="No such file or directory"):
        mount_all([Mount("ext4", str(image), ("loop",))], tmp_path / "absent")
    wait_until_freed(image)
    assert open_files() == before


def test_a_missing_image_is_named(tmp_path: Path, target: Path) -> None:
    missing = f"attach '{tmp_path}/absent' to a loop device: No such file or directory"
    with pytest.raises(MountFailed, match=missing) as failure:
        mount_all([Mount("ext4", f"{tmp_path}/absent", ("loop",))], target)
    assert isinstance(failure.value.__cause__, OSError)
    assert failure.value.__cause__.errno == errno.ENOENT


def test_a_path_with_a_nul_is_refused(target: Path) -> None:
    with pytest.raises(InvalidArgument, match="NUL"):
        mount_all([Mount("ext4", "/a\0b", ("loop",))], target)


def test_a_directory_is_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(MountFailed, match="Is a directory"):
        LoopDevice.attach(tmp_path)
    with pytest.raises(MountFailed, match="Invalid argument"):
        LoopDevice.attach(tmp_path, read_only=True)


def test_a_device_exists_until_it_is_closed(image: Path) -> None:
    device = LoopDevice.attach(image)
    assert attached(image) == [device.path]
    device.close()
    device.close()
    wait_until_freed(image)


def test_concurrent_mounts_get_separate_devices(tmp_path: Path) -> None:
    images = [tmp_path / f"{number}" for number in range(32)]
    for path in images:
        path.touch()
        os.truncate(path, 1 << 20)
    with concurrent.futures.ThreadPoolExecutor(8) as executor:
        devices = list(executor.map(LoopDevice.attach, images))
    assert [attached(path) for path in images] == [[device.path] for device in devices]
    for device in devices:
        device.close()
    for path in images:
        wait_until_freed(path)


def test_the_owners_in_an_image_can_be_mapped(image: Path, tmp_path: Path) -> None:
    maps = ("uidmap=0:1000:10", "gidmap=0:2000:10")
    with temporary_mount([Mount("ext4", str(image), ("loop", *maps))], directory=tmp_path) as root:
        status = os.stat(root)
    assert (status.st_uid, status.st_gid) == (1000, 2000)
    wait_until_freed(image)
