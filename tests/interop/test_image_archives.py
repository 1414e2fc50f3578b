"""Image archives that other programs wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lamina.content import Descriptor, read_blob
from lamina.content.local import LocalContentStore
from lamina.images.archive import import_images, open_source
from lamina.images.documents import ImageConfig, Manifest, Platform
from lamina.images.selection import choose
from lamina.layers import TarReader, open_layer
from tests.support.commands import run
from tests.support.directories import short_directory
from tests.support.images import Images
from tests.support.interop.containerds import Containerd
from tests.support.interop.images import IMAGE

pytestmark = pytest.mark.requires("umoci", "skopeo", "busybox-static")

ARM64 = Platform("linux", "arm64")


@pytest.fixture
def content(tmp_path: Path) -> Iterator[LocalContentStore]:
    with closing(LocalContentStore(str(tmp_path / "content"))) as store:
        yield store


def skopeo(*arguments: str | Path) -> str:
    return run("skopeo", "--insecure-policy", *arguments)


def imported(path: Path, content: LocalContentStore, *names: str, platform: Platform | None = None) -> ImageConfig:
    """Import the only image of an archive, and return its configuration after comparing the layers with it."""
    with open_source(str(path)) as source:
        ((image, *_)) = import_images(source, content, Images(), names=names, platform=platform)

    def read(descriptor: Descriptor) -> bytes:
        return read_blob(content, descriptor.digest)

    chosen = choose(read, image.target, image.name, platform).descriptor
    manifest = Manifest.decode(read(chosen), chosen)
    config = ImageConfig.decode(read(manifest.config), manifest.config)
    assert [diff_id(content, layer) for layer in manifest.layers] == [*config.rootfs.diff_ids]
    return config


def diff_id(content: LocalContentStore, layer: Descriptor) -> str:
    with content.open(layer.digest) as blob, open_layer(blob.fd, offset=blob.offset, size=blob.size) as stream:
        reader = TarReader(stream)
        for _ in reader:
            pass
        return reader.digest


@pytest.fixture(scope="module")
def diff_ids(archive: Path) -> tuple[str, ...]:
    """The digests of the image's uncompressed layers, as skopeo reads them."""
    config = json.loads(skopeo("inspect", "--config", f"oci-archive:{archive}"))
    return tuple(config["rootfs"]["diff_ids"])


def test_a_layout_of_umoci_is_imported(
    archive: Path, diff_ids: tuple[str, ...], content: LocalContentStore
) -> None:
    assert imported(archive.parent / "layout", content).rootfs.diff_ids == diff_ids


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
    content: LocalContentStore,
    tmp_path: Path,
) -> None:
    path = tmp_path / "archive.tar"
    skopeo("copy", "--quiet", *options, f"oci-archive:{archive}", f"{transport}:{path}:{IMAGE}")
    assert imported(path, content).rootfs.diff_ids == diff_ids


@pytest.mark.requires("ctr", "containerd")
def test_an_archive_of_containerd_is_imported(
    archive: Path, diff_ids: tuple[str, ...], content: LocalContentStore, tmp_path: Path
) -> None:
    """It is a layout and an archive of `docker save` in one."""
    path = tmp_path / "archive.tar"
    with (
        short_directory() as directory,
        Containerd(directory / "containerd").running() as containerd,
    ):
        containerd.ctr("images", "import", "--no-unpack", archive)
        containerd.ctr("images", "export", path, IMAGE)
    assert "manifest.json" in run("tar", "--list", "--file", path)
    assert imported(path, content).rootfs.diff_ids == diff_ids


@pytest.mark.requires("buildah")
def test_an_image_of_several_platforms_of_buildah_is_imported(
    archive: Path, diff_ids: tuple[str, ...], content: LocalContentStore, tmp_path: Path
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
    host = imported(path, content)
    assert (host.platform, host.rootfs.diff_ids) == (Platform.host(), diff_ids)
    assert imported(path, content, platform=ARM64).platform == ARM64
