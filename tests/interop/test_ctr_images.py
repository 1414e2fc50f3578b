"""containerd's own command line against the images and the blobs of lamina."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.images import Resolved
from tests.support.commands import CommandFailed
from tests.support.images.archives import write_directory
from tests.support.images.built import layer
from tests.support.images.layouts import DEBIAN as NAME
from tests.support.images.layouts import debian
from tests.support.interop.containerds import ctr
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires("root", "overlay", "ctr")

LAYERS = (layer({"etc/os-release": "12\n"}), layer({"large": bytes(range(256)) * 20_000}))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Host(tmp_path_factory.mktemp("ctr") / "h").running() as host, host.client() as client:
        yield client


@pytest.fixture
def image(client: Client, tmp_path: Path) -> Resolved:
    """The image `NAME`, unpacked."""
    layout = write_directory(tmp_path / "layout", debian(*LAYERS))
    client.transfer().import_(str(layout))
    return client.transfer().resolve(NAME)


def test_images_are_listed_with_size_and_platform(client: Client, image: Resolved) -> None:
    header, row = ctr(client.address, "images", "ls").splitlines()
    assert header.split() == ["REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"]
    name, media_type, digest, _size, unit, platforms, labels = row.split()
    assert (name, media_type, digest) == (NAME, image.manifest.media_type, image.manifest.digest)
    assert (unit, platforms, labels) == ("KiB", image.platform, "-")


def test_each_namespace_has_its_images(client: Client, image: Resolved) -> None:
    assert ctr(client.address, "images", "ls", "--quiet").split() == [NAME]
    assert ctr(client.address, "--namespace", "other", "images", "ls", "--quiet") == ""


def test_namespaces_are_listed(client: Client, image: Resolved) -> None:
    ctr(client.address, "--namespace", "other", "images", "ls")
    assert ctr(client.address, "namespaces", "ls", "--quiet").split() == ["default"]
    with pytest.raises(CommandFailed, match="each appears with its first image"):
        ctr(client.address, "namespaces", "create", "other")


def test_images_are_labelled(client: Client, image: Resolved) -> None:
    assert ctr(client.address, "images", "label", NAME, "team=a").strip() == "team=a"
    assert client.images().get(NAME).labels == {"team": "a"}
    ctr(client.address, "images", "label", "--replace-all", NAME, "x=y")
    assert client.images().get(NAME).labels == {"x": "y"}
    ctr(client.address, "images", "label", NAME, "x=")
    assert client.images().get(NAME).labels == {}


def test_an_image_is_removed(client: Client, image: Resolved) -> None:
    assert ctr(client.address, "images", "rm", NAME).strip() == NAME
    assert list(client.images().list()) == []


def test_blobs_are_listed_with_labels(client: Client, image: Resolved) -> None:
    shown = ctr(client.address, "content", "ls")
    rows = {row.split()[0]: row for row in shown.splitlines()[1:]}
    assert set(rows) == {info.digest for info in client.content().walk()}
    assert f"containerd.io/uncompressed={image.diff_ids[0]}" in rows[image.layers[0].digest]
    assert f"containerd.io/gc.ref.content.config={image.config.digest}" in rows[image.manifest.digest]
    assert f"containerd.io/gc.ref.snapshot.overlayfs={image.chain_id}" in rows[image.config.digest]


def test_a_blob_is_read(client: Client, image: Resolved) -> None:
    for blob in (image.manifest, *image.layers):
        command = ("ctr", "--address", client.address, "content", "get", blob.digest)
        done = subprocess.run(command, capture_output=True, check=True)
        assert done.stdout == b"".join(client.content().read(blob.digest))
        assert len(done.stdout) == blob.size


def test_a_blob_is_labelled_and_removed(client: Client, image: Resolved) -> None:
    digest = image.layers[1].digest
    assert "team=a" in ctr(client.address, "content", "label", digest, "team=a")
    assert client.content().info(digest).labels["team"] == "a"
    ctr(client.address, "content", "rm", digest)
    with pytest.raises(CommandFailed, match="not found"):
        ctr(client.address, "content", "get", digest)


def test_snapshots_of_images_are_seen_by_their_keyspace(client: Client, image: Resolved) -> None:
    snapshots = ("snapshots", "--snapshotter", "overlayfs/images/default")
    assert image.chain_id in ctr(client.address, *snapshots, "tree")
    assert image.chain_id not in ctr(client.address, "snapshots", "--snapshotter", "overlayfs", "tree")
    ctr(client.address, *snapshots, "view", "look", image.chain_id)
    assert "mount -t overlay" in ctr(client.address, *snapshots, "mounts", "/mnt", "look")
    ctr(client.address, *snapshots, "rm", "look")
