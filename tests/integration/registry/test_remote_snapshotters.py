"""Layers that the snapshotter makes by itself are not fetched (containerd, `docs/remote-snapshotter.md`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content import Descriptor
from lamina.errdefs import FailedPrecondition, NotFound
from lamina.images.documents import ImageConfig, Manifest, Platform, chain_ids
from lamina.plugin import PluginType
from tests.support.images import Documents
from tests.support.images.built import layer
from tests.support.images.trees import files_of
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.registries.hosts import PullingHost, pulling_host
from tests.support.registries.proxy import Proxy
from tests.support.registries.seeding import seed_documents
from tests.support.snapshotters import remote
from tests.support.snapshotters.remote import RemoteSnapshotter

pytestmark = pytest.mark.requires("root", "overlay", "docker-registry")

LAYERS = (layer({"one": "1"}), layer({"two": "2"}), layer({"three": "3"}))
FILES = ({"one": "1"}, {"two": "2"}, {"three": "3"})


@pytest.fixture
def target(tmp_path: Path) -> Iterator[PullingHost]:
    """A host in this process, with a remote snapshotter."""
    with pulling_host(tmp_path, [remote.MODULE]) as host:
        yield host


@pytest.fixture
def snapshotter(target: PullingHost) -> RemoteSnapshotter:
    found = target.host.get(PluginType.SNAPSHOTTER, remote.ID)
    assert isinstance(found, RemoteSnapshotter)
    return found


@pytest.fixture
def manifest(made: Documents, server: DockerRegistry, path: str) -> Descriptor:
    """An image of three layers in the registry."""
    manifest = made.manifest(Platform.host(), "", *LAYERS)
    seed_documents(server, path, made, manifest, "12")
    return manifest


def layers(made: Documents, manifest: Descriptor) -> list[str]:
    return [one.digest for one in Manifest.decode(made.read(manifest), manifest).layers]


def chain(made: Documents, manifest: Descriptor) -> list[str]:
    config = Manifest.decode(made.read(manifest), manifest).config
    return list(chain_ids(ImageConfig.decode(made.read(config), config).rootfs.diff_ids))


def fetched(proxy: Proxy, digests: list[str]) -> list[int]:
    return [proxy.count("GET", f"/blobs/{digest}") for digest in digests]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_only_layers_above_those_that_the_snapshotter_makes_are_fetched(
    target: PullingHost,
    snapshotter: RemoteSnapshotter,
    proxy: Proxy,
    made: Documents,
    manifest: Descriptor,
    path: str,
    count: int,
) -> None:
    ids, digests = chain(made, manifest), layers(made, manifest)
    snapshotter.known = dict(zip(ids[:count], FILES, strict=False))
    (unpacked,) = target.transfer.pull(f"{proxy.host}/{path}:12", snapshotter="remote").unpacked
    assert unpacked.chain_id == ids[-1]
    assert files_of(snapshotter, ids[-1]) == {"one": "1", "two": "2", "three": "3"}
    assert fetched(proxy, digests) == [0] * count + [1] * (3 - count)
    assert {info.kind.name for info in snapshotter.walk()} == {"COMMITTED"}


def test_a_layer_that_only_lies_above_a_missing_one_is_fetched(
    target: PullingHost,
    snapshotter: RemoteSnapshotter,
    proxy: Proxy,
    made: Documents,
    manifest: Descriptor,
    path: str,
) -> None:
    """Its turn comes when those below it are there; by then, its blob is on its way."""
    ids, digests = chain(made, manifest), layers(made, manifest)
    snapshotter.known = {ids[1]: FILES[1]}
    target.transfer.pull(f"{proxy.host}/{path}:12", snapshotter="remote")
    assert fetched(proxy, digests) == [1, 1, 1]
    assert files_of(snapshotter, ids[-1]) == {"one": "1", "two": "2", "three": "3"}


def test_a_second_pull_fetches_nothing_either(
    target: PullingHost,
    snapshotter: RemoteSnapshotter,
    proxy: Proxy,
    made: Documents,
    manifest: Descriptor,
    path: str,
) -> None:
    snapshotter.known = dict(zip(chain(made, manifest), FILES, strict=True))
    for _ in range(2):
        target.transfer.pull(f"{proxy.host}/{path}:12", snapshotter="remote")
    assert fetched(proxy, layers(made, manifest)) == [0, 0, 0]
    assert len(snapshotter.asked) == 3


def test_what_needs_the_layers_says_how_to_get_them(
    target: PullingHost,
    snapshotter: RemoteSnapshotter,
    server: DockerRegistry,
    made: Documents,
    manifest: Descriptor,
    path: str,
    tmp_path: Path,
) -> None:
    snapshotter.known = dict(zip(chain(made, manifest), FILES, strict=True))
    name = f"{server.host}/{path}:12"
    target.transfer.pull(name, snapshotter="remote")
    remedy = "without fetching it; pull or import the image again, with --no-unpack"
    with pytest.raises(FailedPrecondition, match=remedy):
        target.transfer.push(name, to=f"{server.host}/{path}:13")
    with pytest.raises(NotFound, match=remedy):
        target.transfer.export(str(tmp_path / "archive"), [name])
    with pytest.raises(NotFound, match="pull or import the image again"):
        target.transfer.unpack(name, snapshotter="overlayfs")
    target.transfer.pull(name, unpack=False)
    target.transfer.push(name, to=f"{server.host}/{path}:13")
    target.transfer.export(str(tmp_path / "archive"), [name])
    target.transfer.unpack(name, snapshotter="overlayfs")


def test_a_collection_keeps_the_image(
    target: PullingHost,
    snapshotter: RemoteSnapshotter,
    server: DockerRegistry,
    made: Documents,
    manifest: Descriptor,
    path: str,
) -> None:
    """Its references to layers that are not there are no damage."""
    snapshotter.known = dict(zip(chain(made, manifest), FILES, strict=True))
    name = f"{server.host}/{path}:12"
    target.transfer.pull(name, snapshotter="remote")
    blobs = target.blobs()
    collector = target.host.get(PluginType.GC, "scheduler")
    assert list(collector.collect()) == []
    assert (target.blobs(), [one.name for one in collector.usage().images]) == (blobs, [name])


def test_another_snapshotter_gets_the_layers_fetched(
    target: PullingHost,
    snapshotter: RemoteSnapshotter,
    proxy: Proxy,
    made: Documents,
    manifest: Descriptor,
    path: str,
) -> None:
    snapshotter.known = dict(zip(chain(made, manifest), FILES, strict=True))
    target.transfer.pull(f"{proxy.host}/{path}:12", snapshotter="remote")
    target.transfer.pull(f"{proxy.host}/{path}:12", snapshotter="overlayfs")
    assert fetched(proxy, layers(made, manifest)) == [1, 1, 1]
