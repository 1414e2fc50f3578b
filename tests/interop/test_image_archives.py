"""Image archives that other programs wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lamina.content import Descriptor, read_blob
from lamina.content.local import LocalContentStore
from lamina.images import ImageStore
from lamina.images.archive import import_images, open_source
from lamina.images.documents import ImageConfig, Manifest, Platform
from lamina.images.selection import choose
from lamina.layers import TarReader, open_layer
from lamina.metadata import Metadata
from lamina.store import Store
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.interop.containerds import Containerd
from tests.support.interop.images import IMAGE

pytestmark = pytest.mark.requires("umoci", "skopeo", "busybox-static")

ARM64 = Platform("linux", "arm64")


class Importer:
    """Imports archives into a content store, and compares the layers with the configuration."""

    def __init__(self, content: LocalContentStore, images: ImageStore) -> None:
        self.content = content
        self.images = images

    def __call__(self, path: Path, platform: Platform | None = None) -> ImageConfig:
        """Import the only image of an archive, and return its configuration."""
        with open_source(str(path)) as source:
            (image,) = import_images(source, self.content, self.images, platform=platform)
        chosen = choose(self.read, image.target, image.name, platform).descriptor
        manifest = Manifest.decode(self.read(chosen), chosen)
        config = ImageConfig.decode(self.read(manifest.config), manifest.config)
        assert tuple(map(self.diff_id, manifest.layers)) == config.rootfs.diff_ids
        return config

    def read(self, descriptor: Descriptor) -> bytes:
        return read_blob(self.content, descriptor.digest)

    def diff_id(self, layer: Descriptor) -> str:
        with (
            self.content.open(layer.digest) as blob,
            open_layer(blob.fd, offset=blob.offset, size=blob.size) as stream,
        ):
            reader = TarReader(stream)
            for _ in reader:
                pass
            return reader.digest


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Importer]:
    with closing(Store.open(str(tmp_path / "store"))) as store:
        metadata = Metadata.open(store)
        with closing(LocalContentStore(str(tmp_path / "content"), metadata.labels)) as content:
            yield Importer(content, metadata.images("default"))


def skopeo(*arguments: str | Path) -> str:
    return run("skopeo", "--insecure-policy", *arguments)


@pytest.fixture(scope="module")
def diff_ids(archive: Path) -> tuple[str, ...]:
    """The digests of the image's uncompressed layers, as skopeo reads them."""
    config = json.loads(skopeo("inspect", "--config", f"oci-archive:{archive}"))
    return tuple(config["rootfs"]["diff_ids"])


def test_a_layout_of_umoci_is_imported(archive: Path, diff_ids: tuple[str, ...], imported: Importer) -> None:
    assert imported(archive.parent / "layout").rootfs.diff_ids == diff_ids


@pytest.mark.parametrize(
    ("transport", "options"),
    [
        ("oci-archive", ()),
        ("oci-archive", ("--dest-compress", "--dest-compress-format", "zstd")),
        ("docker-archive", ()),
    ],
    ids=["OCI", "zstd", "docker save"],
)
def test_an_archive_of_skopeo_is_imported(
    transport: str,
    options: tuple[str, ...],
    archive: Path,
    diff_ids: tuple[str, ...],
    imported: Importer,
    tmp_path: Path,
) -> None:
    path = tmp_path / "archive.tar"
    skopeo("copy", "--quiet", *options, f"oci-archive:{archive}", f"{transport}:{path}:{IMAGE}")
    assert imported(path).rootfs.diff_ids == diff_ids


@pytest.mark.requires("ctr", "containerd")
def test_an_archive_of_containerd_is_imported(
    archive: Path, diff_ids: tuple[str, ...], imported: Importer, tmp_path: Path
) -> None:
    """It is a layout and an archive of `docker save` in one. Blobs get the labels that containerd gives them."""
    path = tmp_path / "archive.tar"
    with (
        short_directory() as directory,
        Containerd(directory / "containerd").running() as containerd,
    ):
        containerd.ctr("images", "import", "--no-unpack", archive)
        containerd.ctr("images", "export", path, IMAGE)
        labels = labels_of(containerd)
    assert "manifest.json" in run("tar", "--list", "--file", path)
    assert imported(path).rootfs.diff_ids == diff_ids
    for info in imported.content.walk():
        assert info.labels == labels[info.digest]


def labels_of(containerd: Containerd) -> dict[str, dict[str, str]]:
    """The labels of blobs, by digest."""
    found = {}
    for line in containerd.ctr("content", "ls").splitlines()[1:]:
        digest, *_, labels = line.split()
        found[digest] = dict(label.split("=") for label in labels.split(",") if label != "-")
    return found


@pytest.mark.requires("buildah")
def test_an_image_of_several_platforms_of_buildah_is_imported(
    archive: Path, diff_ids: tuple[str, ...], imported: Importer, tmp_path: Path
) -> None:
    storage = ("--root", tmp_path / "root", "--runroot", tmp_path / "runroot", "--storage-driver", "vfs")

    def buildah(*arguments: str | Path) -> str:
        return run("buildah", *storage, *arguments).strip()

    buildah("pull", "--quiet", f"oci-archive:{archive}")
    working = buildah("from", "--pull-never", IMAGE)
    buildah("config", "--arch", "arm64", working)
    buildah("commit", "--quiet", "--rm", working, "other")
    buildah("manifest", "create", "list", IMAGE, "other")
    path = tmp_path / "archive.tar"
    buildah("manifest", "push", "--quiet", "--all", "list", f"oci-archive:{path}:{IMAGE}")
    host = imported(path)
    assert (host.platform, host.rootfs.diff_ids) == (Platform.host(), diff_ids)
    assert imported(path, ARM64).platform == ARM64
