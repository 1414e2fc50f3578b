"""Layers of lamina give the same tree elsewhere, and containerd's diff of the same change gives it in lamina."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

from lamina.fs import opened
from lamina.layers import Compression, LocalDiffer, apply_layer, open_layer
from lamina.mount import Mount
from lamina.testing import Tree, differences, read_tree
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd

pytestmark = pytest.mark.requires("root", "umoci", "skopeo")

SECOND: Final = 1_000_000_000
TIME: Final = 1_700_000_000 * SECOND
CAPABILITY: Final = bytes.fromhex("0100000200200000000000000000000000000000")
"""CAP_NET_RAW, permitted and effective, as security.capability has it (`struct vfs_cap_data`, revision 2)."""
IMAGE: Final = "lamina.test/changed:latest"


def make(root: Path) -> None:
    """Make a tree with every type of file."""
    for name, mode in (
        ("bin", 0o755),
        ("tmp", 0o1777),
        ("etc/conf.d", 0o750),
        ("var/old/deep", 0o755),
        ("dev", 0o755),
    ):
        (root / name).mkdir(parents=True)
        (root / name).chmod(mode)
    (root / "bin/tool").write_bytes(b"tool" * 3000)
    (root / "bin/tool").chmod(0o4755)
    os.setxattr(root / "bin/tool", "security.capability", CAPABILITY)
    os.link(root / "bin/tool", root / "bin/same")
    os.link(root / "bin/tool", root / "bin/third")
    (root / "lib").symlink_to("usr/lib")
    (root / "etc/a").write_text("a")
    (root / "etc/b").write_text("b")
    (root / "etc/conf.d/kept").write_text("kept")
    (root / "var/old/deep/file").write_text("deep")
    (root / "etc/is-file").write_text("file")
    (root / "etc/is-directory").mkdir()
    os.mknod(root / "dev/null", 0o20666, os.makedev(1, 3))
    os.mkfifo(root / "dev/fifo", 0o600)
    os.chown(root / "etc/a", 1000, 2000)


def change(root: Path) -> None:
    """Change the tree in every way."""
    (root / "etc/a").rename(root / "etc/c")
    (root / "etc/b").rename(root / "etc/a")
    (root / "etc/c").rename(root / "etc/b")
    (root / "bin/third").unlink()
    os.link(root / "bin/same", root / "bin/new name")
    (root / "bin/tool").chmod(0o755)
    (root / "lib").unlink()
    (root / "lib").mkdir()
    (root / "lib/in it").write_text("x" * 200)
    shutil.rmtree(root / "var/old")
    (root / "var/old").mkdir()
    (root / "var/old/new").write_text("new")
    (root / "etc/is-file").unlink()
    (root / "etc/is-file").mkdir()
    (root / "etc/is-directory").rmdir()
    (root / "etc/is-directory").symlink_to("a")
    os.chown(root / "etc/conf.d", 7, 8)
    (root / "dev/fifo").unlink()
    (root / ("long" * 40)).write_text("a long name")
    (root / "näme").write_text("not ASCII")


def settle(root: Path) -> None:
    """Give everything a time of whole seconds, which containerd's diff keeps."""
    for path in (root, *root.rglob("*")):
        os.utime(path, ns=(TIME, TIME), follow_symlinks=False)


def made(root: Path) -> Path:
    root.mkdir()
    make(root)
    settle(root)
    return root


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return made(tmp_path / "base")


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    root = made(tmp_path / "changed")
    change(root)
    settle(root)
    return root


def without_directory_times(tree: Tree) -> Tree:
    """Leave out the times of directories, which no layer of lamina keeps."""
    return {path: attrs.evolve(one, mtime=0) if one.type == "directory" else one for path, one in tree.items()}


def same(actual: Path, expected: Path) -> list[str]:
    return differences(*(without_directory_times(read_tree(root)) for root in (actual, expected)))


def write_layer(lower: Path | None, upper: Path, file: Path) -> Path:
    mounts = [[Mount("bind", str(path), ("rbind", "ro"))] if path else [] for path in (lower, upper)]
    with file.open("wb") as output:
        LocalDiffer().compare(*mounts, output.write, compression=Compression.NONE)
    return file


@pytest.fixture
def layout(tmp_path: Path, base: Path, changed: Path) -> Iterator[Path]:
    """An image of two layers, which turn nothing into the base, and that into the changed tree."""
    layout = tmp_path / "layout"
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:latest")
    for number, (lower, upper) in enumerate(((None, base), (base, changed))):
        run(
            "umoci",
            "raw",
            "add-layer",
            "--image",
            f"{layout}:latest",
            write_layer(lower, upper, tmp_path / f"{number}"),
        )
    return layout


def test_umoci_gives_the_changed_tree(tmp_path: Path, layout: Path, changed: Path) -> None:
    run("umoci", "raw", "unpack", "--image", f"{layout}:latest", tmp_path / "unpacked")
    assert same(tmp_path / "unpacked", changed) == []


@pytest.mark.requires("containerd")
def test_containerd_gives_the_changed_tree(tmp_path: Path, layout: Path, changed: Path) -> None:
    archive = tmp_path / "image.tar"
    run("skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{layout}:latest", f"oci-archive:{archive}:{IMAGE}")
    with short_directory() as directory, Containerd(directory / "c").running() as containerd:
        containerd.import_image(archive, "native")
        assert same(committed(containerd)[-1], changed) == []


@pytest.mark.requires("containerd")
def test_the_diff_of_containerd_gives_the_changed_tree(
    tmp_path: Path, layout: Path, base: Path, changed: Path
) -> None:
    archive = tmp_path / "image.tar"
    run("skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{layout}:latest", f"oci-archive:{archive}:{IMAGE}")
    with short_directory() as directory, Containerd(directory / "c").running() as containerd:
        containerd.import_image(archive, "native")
        (lowest,) = (
            parent for _, parent, _ in (row for row in map(str.split, snapshots(containerd)) if len(row) == 3)
        )
        command = containerd.ctr(
            "snapshots", "--snapshotter", "native", "prepare", "--target", "/", "fork", lowest
        )
        root = Path(command.split()[3])
        change(root)
        settle(root)
        data = gzip.decompress(containerd.diff("fork", "native"))
    (tmp_path / "layer").write_bytes(data)
    with (
        opened(base, os.O_PATH) as fd,
        (tmp_path / "layer").open("rb") as file,
        open_layer(file.fileno(), size=len(data)) as stream,
    ):
        apply_layer(stream, fd)
    assert same(base, changed) == []


def snapshots(containerd: Containerd) -> list[str]:
    return containerd.ctr("snapshots", "--snapshotter", "native", "ls").splitlines()[1:]


def committed(containerd: Containerd) -> list[Path]:
    """The trees of all snapshots, in the order in which they were made."""
    places = (containerd.directory / "root/io.containerd.snapshotter.v1.native/snapshots").iterdir()
    return sorted(places, key=lambda path: int(path.name))
