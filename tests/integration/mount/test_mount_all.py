"""Several mounts are made in order, all or none, and only inside the target."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errdefs import MountFailed
from lamina.mount import Mount, MountInfo, lookup, mount_all, mountinfo, unmount, unmount_recursive
from tests.support.trees import open_files

pytestmark = pytest.mark.requires("root", "overlay")


TMPFS = Mount("tmpfs", "tmpfs")


def mounts_below(directory: Path) -> list[MountInfo]:
    return [info for info in mountinfo() if info.mount_point.startswith(str(directory))]


def test_mounts_are_made_in_order_and_later_ones_find_their_targets_in_earlier_ones(
    tmp_path: Path, target: Path
) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    binding = ("bind", "ro")
    mounts = [Mount("bind", str(source), ("bind",)), Mount("bind", str(source), binding, "inner")]
    mount_all(mounts, target)
    assert [info.mount_point for info in mounts_below(target)] == [str(target), f"{target}/inner"]
    assert "ro" in lookup(target / "inner").options
    assert "rw" in lookup(target).options
    unmount_recursive(target)


@pytest.mark.parametrize("link", ["/outside", "../../outside"])
def test_a_symbolic_link_does_not_redirect_a_target_outside(tmp_path: Path, target: Path, link: str) -> None:
    (tmp_path / "outside").mkdir()
    (target / "outside").mkdir()
    (target / "link").symlink_to(link)
    before = open_files()
    mount_all([Mount("tmpfs", "tmpfs", (), "link")], target)
    assert [info.mount_point for info in mounts_below(tmp_path)] == [f"{target}/outside"]
    assert open_files() == before
    unmount(target / "outside")


def test_a_failure_undoes_the_earlier_mounts(tmp_path: Path, target: Path) -> None:
    (target / "sub").mkdir()
    mounts = [Mount("tmpfs", "tmpfs", (), "sub"), TMPFS, Mount("tmpfs", "tmpfs", (), "absent")]
    with pytest.raises(MountFailed, match=f"on {target}/absent: No such file"):
        mount_all(mounts, target)
    assert mounts_below(tmp_path) == []
