"""A collection removes nothing of plain keyspaces, nor of containerds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.client import Client
from lamina.mount import temporary_mount
from lamina.snapshots import Info
from tests.support.images.archives import write_directory
from tests.support.images.built import layer
from tests.support.images.layouts import debian
from tests.support.interop.containerds import Containerd
from tests.support.interop.images import IMAGE, TEMPLATES
from tests.support.processes.hosts import Host

pytestmark = pytest.mark.requires(
    "root", "overlay", "containerd", "ctr", "runc", "umoci", "skopeo", "busybox-static"
)

CONFIG = """\
[plugins."io.containerd.grpc.v1.snapshots".aliases]
one = "overlayfs"
images = "overlayfs"
[plugins."io.containerd.gc.v1.scheduler"]
grace = "0s"
"""
OTHERS = (
    "one",
    "images",
    "overlayfs",
    "lamina-overlayfs",
    "native",
    "overlayfs/imagesx/default",
    "native/image",
)
"""Keyspaces that are not those of images, though some have such names."""
EXPIRED = {
    "containerd.io/gc.expire": "2001-01-01T00:00:00Z",
    "containerd.io/gc.ref.content.x": f"sha256:{'0' * 64}",
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Host(tmp_path / "h", CONFIG).running() as host:
        yield host


@pytest.fixture
def containerd(host: Host, tmp_path: Path, archive: Path) -> Iterator[Containerd]:
    with Containerd(tmp_path / "one", {"one": host.address}).running() as containerd:
        containerd.import_image(archive, "one")
        yield containerd


def fill(client: Client, name: str) -> None:
    """Make a snapshot of each kind that nothing refers to, one of them expired."""
    snapshotter = client.snapshotter(name)
    with temporary_mount(snapshotter.prepare("build")) as root:
        (Path(root) / "file").write_text(name)
    snapshotter.commit("stray", "build")
    snapshotter.prepare("active", "stray")
    snapshotter.view("view", "stray")
    snapshotter.prepare("empty", labels=EXPIRED)
    snapshotter.commit("expired", "empty", labels=EXPIRED)


def content(client: Client, name: str) -> str:
    """What `fill` has written, read through the view."""
    with temporary_mount(client.snapshotter(name).mounts("view")) as root:
        return (Path(root) / "file").read_text()


def infos(client: Client) -> dict[str, list[Info]]:
    return {name: list(client.snapshotter(name).walk()) for name in OTHERS}


def test_prune_removes_nothing_of_others(host: Host, containerd: Containerd, tmp_path: Path) -> None:
    layout = write_directory(tmp_path / "layout", debian(layer({"etc/motd": "hello\n"})))
    host.lamina("images", "import", str(layout))
    with host.client() as client:
        for name in OTHERS:
            fill(client, name)
        of_images = client.snapshotter("overlayfs/images/default")
        of_images.prepare("empty")
        of_images.commit("stray", "empty")
        before = infos(client)

        host.lamina("images", "rm", "debian:12")
        removed = json.loads(host.lamina("images", "prune", "--json"))

        snapshots = [one for one in removed if one["Kind"] == "snapshot"]
        assert {(one["Snapshotter"], one["Namespace"]) for one in snapshots} == {("overlayfs", "default")}
        assert "stray" in {one["Name"] for one in snapshots}
        assert list(of_images.walk()) == []
        assert list(client.content().walk()) == []

        assert infos(client) == before
        for name in OTHERS:
            assert content(client, name) == name
    assert containerd.run(IMAGE, "one", "cat", f"{TEMPLATES}/note") == "of the uppermost layer\n"


def test_calls_of_a_containerd_name_leases_that_the_host_does_not_know(host: Host, containerd: Containerd) -> None:
    """containerd sends the lease of its client to the snapshotter, too."""
    assert host.lamina("leases", "ls").splitlines() == ["ID    CREATED    EXPIRES    RESOURCES    LABELS"]
    lease = containerd.ctr("leases", "create", "--id", "theirs").strip()
    assert lease == "theirs"
    assert containerd.run(IMAGE, "one", "cat", f"{TEMPLATES}/note") == "of the uppermost layer\n"
