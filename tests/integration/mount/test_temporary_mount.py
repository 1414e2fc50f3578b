"""Temporary mounts."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition, MountFailed, NotFound
from lamina.mount import Mount, lookup, mount_all, mountinfo, temporary_mount, unmount, unmount_recursive

pytestmark = pytest.mark.requires("root", "overlay")


@pytest.fixture
def where(tmp_path: Path) -> Path:
    directory = tmp_path / "where"
    directory.mkdir()
    return directory


@pytest.fixture
def overlay(tmp_path: Path) -> Mount:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower" / "file").write_text("seen")
    directories = {"lowerdir": "lower", "upperdir": "upper", "workdir": "work"}
    return Mount("overlay", "overlay", tuple(f"{key}={tmp_path / name}" for key, name in directories.items()))


def points_below(directory: Path) -> list[str]:
    return [info.mount_point for info in mountinfo() if info.mount_point.startswith(str(directory))]


def test_it_is_mounted_only_inside_the_block(tmp_path: Path, where: Path, overlay: Mount) -> None:
    with temporary_mount([overlay], directory=where) as root:
        assert Path(root).parent == where
        assert Path(root, "file").read_text() == "seen"
        Path(root, "new").touch()
    assert (tmp_path / "upper" / "new").exists()
    assert list(where.iterdir()) == []


def test_a_read_only_mount_shows_everything_and_refuses_writes(
    tmp_path: Path, where: Path, overlay: Mount
) -> None:
    (tmp_path / "upper" / "own").touch()
    with temporary_mount([overlay], read_only=True, directory=where) as root:
        assert sorted(os.listdir(root)) == ["file", "own"]
        with pytest.raises(OSError, match="Read-only"):
            Path(root, "new").touch()
    assert list(where.iterdir()) == []


def test_an_exception_in_the_block_propagates_and_unmounts(where: Path, overlay: Mount) -> None:
    with pytest.raises(KeyError), temporary_mount([overlay], directory=where):
        raise KeyError
    assert list(where.iterdir()) == []


def test_a_failed_mount_leaves_nothing(where: Path, overlay: Mount) -> None:
    refused = Mount("tmpfs", "tmpfs", ("nonsense",))
    with pytest.raises(MountFailed, match="nonsense"), temporary_mount([overlay, refused], directory=where):
        pytest.fail("the block is not entered")
    assert list(where.iterdir()) == []
    assert points_below(where) == []


def test_no_mounts_give_an_empty_directory(where: Path) -> None:
    with temporary_mount([], directory=where) as root:
        assert os.listdir(root) == []
    assert list(where.iterdir()) == []


def test_files_in_an_unmounted_mount_point_are_not_removed(where: Path) -> None:
    with pytest.raises(FailedPrecondition, match="not empty"), temporary_mount([], directory=where) as root:
        Path(root, "file").touch()
    assert Path(root, "file").exists()


def test_a_location_that_does_not_exist(tmp_path: Path) -> None:
    with (
        pytest.raises(NotFound, match=r"make a mount point: .*absent"),
        temporary_mount([], directory=tmp_path / "absent"),
    ):
        pytest.fail("the block is not entered")


def test_the_option_volatile_is_dropped(tmp_path: Path, where: Path, overlay: Mount) -> None:
    volatile = Mount("overlay", "overlay", (*overlay.options, "volatile"))
    for _ in range(2):  # overlay would refuse the second one
        with temporary_mount([volatile], directory=where) as root:
            Path(root, "new").touch()
    assert not (tmp_path / "work" / "work" / "incompat").exists()


def test_nested_mounts_of_the_block_are_unmounted(where: Path, overlay: Mount) -> None:
    with temporary_mount([overlay], directory=where) as root:
        Path(root, "sub").mkdir()
        mount_all([Mount("tmpfs", "tmpfs", (), "sub")], root)
    assert points_below(where) == []


def test_a_mount_below_a_recursively_bound_source_is_kept(tmp_path: Path, where: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    mount_all([Mount("tmpfs", "source")], source)
    subprocess.run(["mount", "--make-shared", source], check=True)
    (source / "sub").mkdir()
    mount_all([Mount("tmpfs", "sub")], source / "sub")
    with temporary_mount([Mount("bind", str(source), ("rbind", "rw"))], directory=where) as root:
        assert lookup(Path(root, "sub")).source == "sub"
    assert points_below(where) == []
    assert points_below(source) == [str(source), str(source / "sub")]
    unmount_recursive(source)


def test_a_busy_mount_is_reported_and_its_data_survives(tmp_path: Path, where: Path, overlay: Mount) -> None:
    with pytest.raises(FailedPrecondition, match="busy"), temporary_mount([overlay], directory=where) as root:
        file = Path(root, "open").open("w")  # noqa: SIM115 - to be open when the block ends
    assert points_below(where) == [root]
    file.close()
    unmount(root)
    assert (tmp_path / "lower" / "file").read_text() == "seen"


def test_by_default_it_is_in_the_runtime_directory(
    where: Path, overlay: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(where))
    with temporary_mount([overlay]) as root:
        assert re.fullmatch(rf"{where}/lamina-mount\w+", root)
