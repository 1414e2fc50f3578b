"""Archives that lamina writes give the same tree with every program that reads them."""

from __future__ import annotations

import os
import random
import shutil
import stat
import tarfile
from pathlib import Path

import pytest

from lamina.layers import Entry, EntryType, TarWriter
from lamina.testing import Tree, differences, read_tree
from tests.support import tar
from tests.support.commands import run
from tests.support.comparing import layer, shown
from tests.support.layers import apply
from tests.support.random_trees import make_tree
from tests.support.rounds import rounds

pytestmark = pytest.mark.requires("root")

TYPES = {
    stat.S_IFREG: EntryType.FILE,
    stat.S_IFDIR: EntryType.DIRECTORY,
    stat.S_IFLNK: EntryType.SYMLINK,
    stat.S_IFIFO: EntryType.FIFO,
    stat.S_IFCHR: EntryType.CHARACTER_DEVICE,
    stat.S_IFBLK: EntryType.BLOCK_DEVICE,
}


@pytest.fixture(params=range(rounds(3, 100)))
def tree(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A random tree, with a file that has two names."""
    root = tmp_path / "tree"
    make_tree(root, random.Random(request.param), limited=False, devices=True)
    (root / "1st").write_bytes(b"\0data")
    os.link(root / "1st", root / "2nd")
    return root


@pytest.fixture
def archive(tree: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tree.tar"
    with path.open("wb") as file:
        writer = TarWriter(file.write)
        _add(writer, os.fsencode(tree), b".")
        writer.close()
    return path


def _add(writer: TarWriter, root: bytes, name: bytes) -> None:
    path = os.path.join(root, name)
    status = os.lstat(path)
    type_ = TYPES[stat.S_IFMT(status.st_mode)]
    link = os.readlink(path) if type_ is EntryType.SYMLINK else b""
    data = Path(os.fsdecode(path)).read_bytes() if type_ is EntryType.FILE else b""
    if name == b"2nd":
        type_, link, data = EntryType.HARD_LINK, b"1st", b""
    entry = Entry(
        name,
        type_,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        len(data),
        status.st_mtime_ns,
        link=link,
        device=status.st_rdev,
        xattrs={
            os.fsencode(key): os.getxattr(path, key, follow_symlinks=False)
            for key in os.listxattr(path, follow_symlinks=False)
        },
    )
    writer.add(entry, [data])
    if type_ is EntryType.DIRECTORY:
        for below in sorted(os.listdir(path)):
            _add(writer, root, below if name == b"." else os.path.join(name, below))


def drop_empty_attributes(tree: Path) -> None:
    for path in map(os.fsencode, (tree, *tree.rglob("*"))):
        if "trusted.empty" in os.listxattr(path, follow_symlinks=False):
            os.removexattr(path, "trusted.empty", follow_symlinks=False)


def assert_same(found: Tree, tree: Path) -> None:
    assert differences(found, read_tree(tree)) == []


def test_lamina_reads_it(tree: Path, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    apply(out, archive.read_bytes().removesuffix(tar.END))
    assert_same(read_tree(out), tree)


@pytest.mark.requires("tar")
def test_gnu_tar_reads_it(tree: Path, archive: Path, tmp_path: Path) -> None:
    """Without a warning, but for times in the future."""
    out = tmp_path / "out"
    out.mkdir()
    options = (
        "--xattrs",
        "--xattrs-include=*",
        "--numeric-owner",
        "--preserve-permissions",
        "--warning=no-timestamp",
    )
    assert not run("sh", "-c", 'exec 2>&1 tar "$@"', "tar", "-C", out, *options, "-xf", archive)
    assert_same(read_tree(out), tree)


def test_python_reads_it(tree: Path, archive: Path, tmp_path: Path) -> None:
    """All but extended attributes, which it does not extract, and parts of a second, which it rounds."""
    out = tmp_path / "out"
    with tarfile.open(archive) as opened:
        opened.extractall(out, numeric_owner=True, filter="fully_trusted")  # noqa: S202 - an archive of this test
    assert [
        line
        for line in differences(read_tree(out, times=False), read_tree(tree, times=False))
        if "xattrs" not in line
    ] == []


@pytest.mark.requires("umoci")
def test_umoci_reads_it(tree: Path, archive: Path, tmp_path: Path) -> None:
    """And with it Go's `archive/tar`. umoci leaves out attributes without a value."""
    drop_empty_attributes(tree)
    image = f"{tmp_path}/layout:latest"
    run("umoci", "init", "--layout", tmp_path / "layout")
    run("umoci", "new", "--image", image)
    run("umoci", "raw", "add-layer", "--image", image, archive)
    run("umoci", "raw", "unpack", "--image", image, tmp_path / "out")
    assert_same(read_tree(tmp_path / "out"), tree)


def _remove(path: Path) -> None:
    if not path.is_symlink() and path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@pytest.mark.requires("umoci")
def test_umoci_applies_a_difference(tree: Path, tmp_path: Path) -> None:
    """With deletions, a hard link that was broken, and with what became a directory or another name of a file."""
    drop_empty_attributes(tree)
    new = tmp_path / "new"
    run("cp", "-a", tree, new)
    (new / "1st").unlink()
    (new / "dir/below").mkdir(parents=True)
    for number, path in enumerate(sorted(set(new.iterdir()) - {new / "2nd"})):
        if number % 4 == 0:
            _remove(path)
        elif number % 4 == 1:
            _remove(path)
            (path / "below").mkdir(parents=True)
        elif number % 4 == 2:
            _remove(path)
            os.link(new / "2nd", path)
    image = f"{tmp_path}/layout:latest"
    run("umoci", "init", "--layout", tmp_path / "layout")
    run("umoci", "new", "--image", image)
    for number, trees in enumerate(([[], shown(tree)], [shown(tree), shown(new)])):
        archive = tmp_path / f"{number}.tar"
        archive.write_bytes(layer(*trees))
        run("umoci", "raw", "add-layer", "--image", image, archive)
    run("umoci", "raw", "unpack", "--image", image, tmp_path / "out")
    expected = read_tree(new)
    directories = [path for path, entry in expected.items() if entry.type == "directory"]
    times = tuple(f"{path!r}: mtime" for path in directories)
    assert [
        line for line in differences(read_tree(tmp_path / "out"), expected) if not line.startswith(times)
    ] == []
