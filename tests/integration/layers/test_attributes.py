"""The attributes of files that only root can give them."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from lamina.errdefs import FailedPrecondition
from tests.support.layers import apply, device, directory, entry, fifo, file, names, opaque, symlink, whiteout

pytestmark = pytest.mark.requires("root")

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
"""CAP_NET_BIND_SERVICE, permitted and effective: `struct vfs_cap_data` of linux/capability.h, version 2."""
OWNED = {"uid": 4_000_000_000, "gid": 1001}


def acl(*entries: tuple[int, int, int]) -> bytes:
    """An access control list: tags, permissions and ids (linux/posix_acl_xattr.h)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries)


ACL = acl((1, 7, 0xFFFFFFFF), (2, 7, 1234), (4, 5, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 5, 0xFFFFFFFF))


def test_files_of_each_type_belong_to_whom_the_archive_says(tmp_path: Path) -> None:
    apply(
        tmp_path,
        directory("d", **OWNED),
        file("d/f", b"x", **OWNED),
        symlink("d/s", "f", **OWNED),
        fifo("d/p", **OWNED),
        device("d/c", 1, 3, **OWNED),
    )
    statuses = [(tmp_path / name).lstat() for name in names(tmp_path)]
    assert len(statuses) == 5
    assert {(status.st_uid, status.st_gid) for status in statuses} == {(4_000_000_000, 1001)}


def test_special_bits_and_capabilities_survive_the_change_of_the_owner_and_the_data(tmp_path: Path) -> None:
    xattrs = {"security.capability": CAPABILITY, "trusted.x": b"1", "user.y": b"2"}
    apply(tmp_path, file("f", b"x" * 5000, mode=0o6755, xattrs=xattrs, **OWNED), directory("d", 0o3775, **OWNED))
    assert {name: os.getxattr(tmp_path / "f", name) for name in os.listxattr(tmp_path / "f")} == xattrs
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "fd"]
    assert modes == [0o6755, 0o3775]


def test_links_and_devices_have_the_attributes_that_the_kernel_allows_them(tmp_path: Path) -> None:
    xattrs = {"trusted.x": b"1", "user.y": b"2"}
    apply(tmp_path, symlink("s", "missing", xattrs=xattrs), device("c", 1, 3, xattrs=xattrs))
    assert {name: os.listxattr(tmp_path / name, follow_symlinks=False) for name in "sc"} == {
        "s": ["trusted.x"],
        "c": ["trusted.x"],
    }


def test_devices_have_their_numbers(tmp_path: Path) -> None:
    apply(tmp_path, device("c", 4095, 1048575, mode=0o620), entry("b", b"4", device=os.makedev(7, 300)))
    character, block = (tmp_path / "c").stat(), (tmp_path / "b").stat()
    assert (character.st_mode, character.st_rdev) == (stat.S_IFCHR | 0o620, os.makedev(4095, 1048575))
    assert (block.st_mode, block.st_rdev) == (stat.S_IFBLK | 0o644, os.makedev(7, 300))


def test_access_control_lists_are_those_of_the_archive(tmp_path: Path) -> None:
    lists = {"system.posix_acl_access": ACL, "system.posix_acl_default": ACL}
    apply(
        tmp_path,
        directory("d", 0o775, xattrs=lists),
        file("d/f", mode=0o640),
        file("d/g", mode=0o775, xattrs={"system.posix_acl_access": ACL}),
        directory("d/sub", 0o750),
        file("d/implied/f", mode=0o600),
        fifo("d/p", mode=0o622),
    )
    found = {name: set(os.listxattr(tmp_path / name)) for name in names(tmp_path)}
    assert found == {name: set() for name in found} | {"d": set(lists), "d/g": {"system.posix_acl_access"}}
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)}
    assert (modes["d/f"], modes["d/sub"], modes["d/implied"], modes["d/p"]) == (0o640, 0o750, 0o755, 0o622)
    assert os.getxattr(tmp_path / "d/g", "system.posix_acl_access") == ACL


def test_files_of_lower_layers_get_no_access_control_lists_of_their_directory_either(tmp_path: Path) -> None:
    apply(tmp_path, directory("d", xattrs={"system.posix_acl_default": ACL}))
    apply(tmp_path, file("d/f", mode=0o604))
    assert os.listxattr(tmp_path / "d/f") == []
    assert stat.S_IMODE((tmp_path / "d/f").stat().st_mode) == 0o604


def test_files_in_a_directory_with_the_set_group_id_bit_belong_to_whom_the_archive_says(tmp_path: Path) -> None:
    entries = directory("d", 0o2755, gid=7), file("d/f"), directory("d/e"), file("d/g", gid=7), symlink("d/s", "f")
    apply(tmp_path, *entries)
    assert [(tmp_path / "d" / name).lstat().st_gid for name in "fegs"] == [0, 0, 7, 0]
    assert stat.S_IMODE((tmp_path / "d/e").stat().st_mode) == 0o755


def test_a_directory_has_the_attributes_of_its_last_entry_and_no_others(tmp_path: Path) -> None:
    apply(tmp_path, directory("d", xattrs={"user.old": b"1", "user.both": b"1"}))
    apply(tmp_path, directory("d", 0o700, uid=5, xattrs={"user.both": b"2"}))
    assert os.listxattr(tmp_path / "d") == ["user.both"]
    assert os.getxattr(tmp_path / "d", "user.both") == b"2"


def test_a_mount_point_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    subprocess.run(["mount", "--bind", tmp_path / "d", tmp_path / "d"], check=True)
    try:
        for item in (file("d/f"), directory("d"), whiteout("d"), file("d"), opaque("")):
            with pytest.raises(FailedPrecondition, match=r"mount point|busy"):
                apply(tmp_path, item)
    finally:
        subprocess.run(["umount", tmp_path / "d"], check=True)
    assert names(tmp_path) == ["d"]
