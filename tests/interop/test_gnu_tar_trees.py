"""Archives that GNU tar writes give the trees that they were written from."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lamina.layers import Whiteouts, apply_layer, open_layer
from lamina.testing import differences, read_tree
from tests.support.commands import run

pytestmark = pytest.mark.requires("root", "tar")

FORMATS = {
    "gnu": ("--format=gnu", "--gzip"),
    "pax": ("--format=posix", "--xattrs", "--xattrs-include=*"),
    "sparse 0.1": ("--format=posix", "--sparse-version=0.1", "--xattrs", "--xattrs-include=*"),
}
HOLE = 1 << 20


def make_tree(root: Path) -> None:
    """Make files of all types, without what GNU tar's own format does not have."""
    (root / "deep").mkdir(parents=True, mode=0o2770)
    long = root / "/".join(["long" * 20] * 3)
    long.mkdir(parents=True)
    (long / ("name" * 50)).write_bytes(os.urandom(5000))
    (root / "sparse").write_bytes(b"start")
    with (root / "sparse").open("r+b") as file:
        file.seek(HOLE)
        file.write(b"middle")
        file.truncate(3 * HOLE)
    os.link(root / "sparse", root / "deep/link")
    (root / "deep/symlink").symlink_to("x" * 300)
    os.chown(root / "deep/symlink", 3_000_000, 5, follow_symlinks=False)
    (root / os.fsdecode(b"\xff\xfe")).touch(mode=0o600)
    os.mkfifo(root / "fifo")
    os.mknod(root / "device", stat.S_IFBLK | 0o640, os.makedev(7, 300))
    for path in (root, *root.rglob("*")):
        os.utime(path, (1, 1_600_000_000), follow_symlinks=False)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("whiteouts", Whiteouts)
def test_a_tree_comes_out_as_it_was(tmp_path: Path, format_: str, whiteouts: Whiteouts) -> None:
    make_tree(tmp_path / "tree")
    if format_ != "gnu":
        os.setxattr(tmp_path / "tree/sparse", "user.x", os.urandom(300))
        os.setxattr(tmp_path / "tree/deep", "trusted.y", b"")
    (tmp_path / "applied").mkdir()
    archive = tmp_path / "archive"
    run("tar", *FORMATS[format_], "--sparse", "-C", tmp_path / "tree", "-cf", archive, ".")
    target = os.open(tmp_path / "applied", os.O_PATH)
    with archive.open("rb") as file, open_layer(file.fileno(), size=archive.stat().st_size) as stream:
        apply_layer(stream, target, whiteouts=whiteouts, is_lowest=True)
    os.close(target)
    assert differences(read_tree(tmp_path / "applied"), read_tree(tmp_path / "tree")) == []
    assert (tmp_path / "applied/sparse").stat().st_blocks * 512 < HOLE
