"""Archives that GNU tar writes are read as the trees that they were written from."""

from __future__ import annotations

import os
import random
import stat
import subprocess
from pathlib import Path

import attrs
import pytest

from lamina.errdefs import InvalidArgument
from lamina.layers import Entry, EntryType
from tests.support.random_trees import make_tree
from tests.support.rounds import rounds
from tests.support.tar import Archived, read

pytestmark = pytest.mark.requires("root", "tar")

SECOND = 1_000_000_000
FORMATS = {
    "v7": ["--format=v7"],
    "ustar": ["--format=ustar"],
    "oldgnu": ["--format=oldgnu", "--sparse"],
    "gnu": ["--format=gnu", "--sparse"],
    "pax": ["--format=posix", "--sparse", "--xattrs", "--xattrs-include=*"],
    "pax, sparse 0.0": ["--format=posix", "--sparse", "--sparse-version=0.0"],
    "pax, sparse 0.1": ["--format=posix", "--sparse", "--sparse-version=0.1"],
}
LIMITED = ("v7", "ustar")
"""Formats that have no long names, large owners or holes; the first one no devices and FIFOs either."""
TYPES = {
    stat.S_IFREG: EntryType.FILE,
    stat.S_IFDIR: EntryType.DIRECTORY,
    stat.S_IFLNK: EntryType.SYMLINK,
    stat.S_IFIFO: EntryType.FIFO,
    stat.S_IFCHR: EntryType.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryType.BLOCK_DEVICE,
}


@attrs.frozen
class Expected:
    """What an entry of an archive must say about a file."""

    type: EntryType
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: bytes
    device: int

    @classmethod
    def of_file(cls, path: bytes, status: os.stat_result, *, nanoseconds: bool) -> Expected:
        type_ = TYPES[stat.S_IFMT(status.st_mode)]
        return cls(
            type_,
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_size if type_ is EntryType.FILE else 0,
            status.st_mtime_ns if nanoseconds else status.st_mtime_ns // SECOND * SECOND,
            os.readlink(path) if type_ is EntryType.SYMLINK else b"",
            status.st_rdev,
        )

    @classmethod
    def of_entry(cls, entry: Entry) -> Expected:
        return cls(entry.type, entry.mode, entry.uid, entry.gid, entry.size, entry.mtime, entry.link, entry.device)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(rounds(2, 200)))
def test_an_archive_of_gnu_tar_is_the_tree(tmp_path: Path, name: str, seed: int) -> None:
    root = tmp_path / "tree"
    make_tree(root, random.Random(seed), limited=name in LIMITED, devices=name != "v7")
    compare(archive(root, *FORMATS[name]), root, is_pax=name.startswith("pax"), has_xattrs=name == "pax")


def archive(root: Path, *options: str) -> Archived:
    command = ("tar", "--create", *options, "--directory", root, ".")
    return read(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def compare(archived: Archived, root: Path, *, is_pax: bool, has_xattrs: bool) -> None:
    found = set()
    for entry, content in zip(archived.entries, archived.data, strict=True):
        path = os.path.join(os.fsencode(root), entry.name)
        status = os.lstat(path.rstrip(b"/"))
        found.add(os.path.normpath(path))
        assert Expected.of_entry(entry) == Expected.of_file(path, status, nanoseconds=is_pax), entry.name
        assert not has_xattrs or entry.xattrs == xattrs(path), entry.name
        if entry.type is EntryType.FILE:
            assert content == Path(os.fsdecode(path)).read_bytes()
    assert found == {os.path.normpath(os.path.join(*pair)) for pair in walk(root)}


def xattrs(path: bytes) -> dict[bytes, bytes]:
    names = os.listxattr(path, follow_symlinks=False)
    return {os.fsencode(name): os.getxattr(path, name, follow_symlinks=False) for name in names}


def walk(root: Path) -> list[tuple[bytes, bytes]]:
    tree = os.walk(os.fsencode(root))
    return [(directory, name) for directory, *below in tree for names in (*below, [b"."]) for name in names]


def test_hard_links_lead_to_their_first_name(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("data")
    os.link(tmp_path / "a", tmp_path / "b")
    first, second = sorted(archive(tmp_path).entries[1:], key=lambda entry: entry.type is EntryType.HARD_LINK)
    assert (first.type, second.type, second.link) == (EntryType.FILE, EntryType.HARD_LINK, first.name)


def test_the_file_of_a_volume_or_of_an_incremental_dump_is_refused(tmp_path: Path) -> None:
    for option in ("--label=volume", f"--listed-incremental={tmp_path}/list"):
        (tmp_path / "tree").mkdir(exist_ok=True)
        with pytest.raises(InvalidArgument, match="its type"):
            archive(tmp_path / "tree", "--format=gnu", option)
