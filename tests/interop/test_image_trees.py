"""Images that other programs made have the tree that umoci unpacks, whatever the snapshotter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import attrs
import pytest

from lamina.content import Descriptor, read_blob
from lamina.content.local import LocalContentStore
from lamina.images.archive import import_images, open_source
from lamina.images.documents import ImageConfig, Manifest
from lamina.images.selection import choose
from lamina.images.unpack import Destination, Unpacker
from lamina.layers.workers import WorkerDiffer
from lamina.metadata import Metadata
from lamina.mount import temporary_mount
from lamina.store import Store
from lamina.testing import Tree, differences, read_tree
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.interop import foreign_images
from tests.support.processes.hosts import Host
from tests.support.snapshotters.btrfs import mounted_btrfs, open_btrfs
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.overlay import open_overlay

pytestmark = pytest.mark.requires("root", "overlay", "btrfs", "umoci", "skopeo", "busybox-static")

BUILDAH: Final = pytest.mark.requires("buildah")
PODMAN: Final = pytest.mark.requires("buildah", "podman")


class Unpacking:
    """Imports images, and unpacks them on each snapshotter."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        for name in ("overlay", "native", "btrfs"):
            (directory / name).mkdir()
        store = stack.enter_context(closing(Store.open(str(directory / "store"))))
        metadata = Metadata.open(store)
        self._images = metadata.images("default")
        content = LocalContentStore(str(directory / "content"), metadata.labels)
        self._content = stack.enter_context(closing(content))
        self._unpacker = Unpacker(self._content, stack.enter_context(closing(WorkerDiffer())))
        overlay = stack.enter_context(open_overlay(directory / "overlay", sync_fs=False))
        native = stack.enter_context(open_native(directory / "native", sync_fs=False))
        stack.enter_context(mounted_btrfs(directory / "btrfs", megabytes=1024))
        btrfs = stack.enter_context(open_btrfs(directory / "btrfs", sync_fs=False))
        self.destinations = (
            Destination("overlayfs", overlay, rebases=True),
            Destination("overlayfs", overlay.keyspace("one by one")),
            Destination("native", native),
            Destination("btrfs", btrfs),
        )

    def documents(self, path: Path) -> tuple[Manifest, ImageConfig]:
        """Import the only image of an archive, and return its documents."""

        def read(descriptor: Descriptor) -> bytes:
            return read_blob(self._content, descriptor.digest)

        with open_source(str(path)) as source:
            (image,) = import_images(source, self._content, self._images)
        chosen = choose(read, image.target, image.name).descriptor
        manifest = Manifest.decode(read(chosen), chosen)
        return manifest, ImageConfig.decode(read(manifest.config), manifest.config)

    def trees(self, path: Path) -> Iterator[tuple[str, Tree]]:
        """Yield the tree of the image on each snapshotter, by its name."""
        documents = self.documents(path)
        for destination in self.destinations:
            top = self._unpacker.unpack(*documents, destination)
            with temporary_mount(destination.snapshotter.view("view", top), read_only=True) as root:
                yield destination.name, read_tree(root)
            destination.snapshotter.remove("view")


@pytest.fixture
def unpacking(tmp_path: Path) -> Iterator[Unpacking]:
    with ExitStack() as stack:
        yield Unpacking(tmp_path, stack)


def now(directory: Path) -> int:
    """The time of a file that is made now: the clock of file systems is behind that of clock_gettime(2)."""
    file = directory / "now"
    file.touch()
    return os.stat(file).st_mtime_ns


def with_times(tree: Tree, expected: Tree, begin: int) -> Tree:
    """Give directories whose time is of the unpacking, or 0, the time that another tree has."""
    return {
        path: attrs.evolve(entry, mtime=expected[path].mtime)
        if path in expected and entry.type == "directory" and not 0 < entry.mtime < begin
        else entry
        for path, entry in tree.items()
    }


def tree_of_umoci(source: Path, directory: Path) -> Tree:
    """The tree of an image that skopeo hands to umoci."""
    if source.name == "zstd.tar":  # which umoci does not read: the layout that it was made of
        source = source.with_name("layout")
    transport = "oci" if source.is_dir() else "docker-archive" if is_docker_archive(source) else "oci-archive"
    tag = ":latest" if source.is_dir() else ""
    layout = f"{directory}/for-umoci:latest"
    run("skopeo", "--insecure-policy", "copy", "--quiet", f"{transport}:{source}{tag}", f"oci:{layout}")
    run("umoci", "raw", "unpack", "--image", layout, directory / "unpacked")
    return read_tree(directory / "unpacked")


def is_docker_archive(source: Path) -> bool:
    return "manifest.json" in run("tar", "--list", "--file", source).split()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(foreign_images.of_umoci, id="umoci"),
        pytest.param(foreign_images.docker_archive_of_skopeo, id="skopeo, docker save"),
        pytest.param(foreign_images.zstd_of_skopeo, id="skopeo, zstd"),
        pytest.param(foreign_images.of_buildah, id="buildah", marks=BUILDAH),
        pytest.param(foreign_images.docker_archive_of_podman, id="podman, docker save", marks=PODMAN),
        pytest.param(foreign_images.oci_archive_of_podman, id="podman, OCI", marks=PODMAN),
        pytest.param(foreign_images.of_gnu_tar, id="GNU tar", marks=pytest.mark.requires("tar")),
        pytest.param(foreign_images.of_debian, id="Debian", marks=pytest.mark.requires("mmdebstrap", "tar")),
    ],
)
def test_an_image_is_unpacked_to_the_tree_of_umoci(
    make: Callable[[Path], Path], unpacking: Unpacking, tmp_path: Path
) -> None:
    """Two things are left to the one who unpacks, and are not compared:

    - The time of a directory that no layer brings. umoci gives it the time of the unpacking, or 0 to the root;
      lamina that of the first entry in it.
    - Whether a hard link to a file of a lower layer joins further names of that file. In an overlay it cannot: the
      kernel copies up the one name. So the images link to files that have one name.
    """
    with short_directory() as directory:  # podman takes no long paths
        source = make(directory)
        begin = now(tmp_path)
        expected = tree_of_umoci(source, tmp_path)
        for name, tree in unpacking.trees(source):
            assert (name, differences(tree, with_times(expected, tree, begin))) == (name, [])


@pytest.mark.requires("tar")
def test_an_image_that_a_user_mounts_has_the_tree_of_umoci(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with short_directory() as directory, Host(directory / "host").running() as host:
        source = foreign_images.of_gnu_tar(directory)
        begin = now(tmp_path)
        expected = tree_of_umoci(source, tmp_path)
        host.lamina("images", "import", "--name", "example:1", str(source))
        host.lamina("images", "unpack", "--snapshotter", "native", "example:1")
        for snapshotter in ("overlayfs", "native"):
            host.lamina("images", "mount", "--snapshotter", snapshotter, "example:1", str(target))
            tree = read_tree(target)
            host.lamina("images", "unmount", str(target))
            assert (snapshotter, differences(tree, with_times(expected, tree, begin))) == (snapshotter, [])
