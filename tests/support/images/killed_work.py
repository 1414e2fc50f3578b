"""Slow work on images that a client asks a host for, which may be killed: pull, push, commit, export, prune."""

from __future__ import annotations

import abc
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

from lamina.client import Client
from lamina.content import Descriptor
from lamina.errdefs import NotFound
from lamina.images.archive import open_source
from lamina.images.documents import Manifest, Platform
from lamina.mount import temporary_mount
from lamina.registry import Registry
from lamina.snapshots import Snapshotter
from tests.support.images.built import layer
from tests.support.images.documents import Documents
from tests.support.images.trees import committed, unfinished
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.registries.seeding import noise, seed_documents

KEYSPACE: Final = "overlayfs/images/default"
GRACE: Final = '[plugins."io.containerd.gc.v1.scheduler"]\ngrace = "0s"\n'
"""The configuration of a host that collects what is new, too."""
_FORK: Final = "work"


@attrs.frozen
class Scene:
    """A registry with an image, and the client of a host."""

    registry: DockerRegistry
    made: Documents
    image: Descriptor
    directory: Path
    """Where exports go."""

    @classmethod
    def make(cls, registry: DockerRegistry, directory: Path) -> Scene:
        """Put an image of four layers into a registry."""
        made = Documents()
        layers = [layer({f"{number}": noise(2_000_000, number), "same": str(number)}) for number in range(4)]
        image = made.manifest(Platform.host(), "", *layers)
        seed_documents(registry, "image", made, image, "1")
        return cls(registry, made, image, directory)

    @property
    def name(self) -> str:
        """The name of the image."""
        return f"{self.registry.host}/image:1"

    def check_image(self, client: Client) -> None:
        """Check that the image is there as a whole, and nothing unfinished."""
        assert {info.digest for info in client.content().walk()} >= set(self.made.blobs)
        assert [one for one in client.transfer().verify() if one.problem] == []
        assert list(client.content().statuses()) == []
        snapshotter = client.snapshotter(KEYSPACE)
        assert unfinished(snapshotter) <= {_FORK}
        chain_id = client.transfer().resolve(self.name).chain_id
        assert chain_id in committed(snapshotter)
        with temporary_mount(snapshotter.view("check", chain_id), read_only=True) as root:
            assert (Path(root) / "same").read_text() == "3"
        snapshotter.remove("check")


class Work(abc.ABC):
    """Work that can be killed and repeated."""

    def __init__(self, scene: Scene) -> None:
        """Work in a scene."""
        self.scene = scene
        self.number = 0
        """The number of the round."""

    def prepare(self, client: Client) -> None:
        """Make what the work needs."""
        self.number += 1
        client.transfer().pull(self.scene.name)

    @abc.abstractmethod
    def run(self, client: Client) -> None:
        """Do the work. Repeated, it finishes what was interrupted."""

    def check(self, client: Client) -> None:
        """Check what is there when it is finished."""
        self.scene.check_image(client)


class Pull(Work):
    """An image is pulled."""

    def prepare(self, client: Client) -> None:
        self.number += 1

    def run(self, client: Client) -> None:
        client.transfer().pull(self.scene.name)


class Push(Work):
    """An image is pushed to a repository of its own."""

    @property
    def _path(self) -> str:
        return f"pushed/{self.number}"

    def prepare(self, client: Client) -> None:
        """Pull the image, and forget where it comes from, so that it is sent and not mounted."""
        super().prepare(client)
        for info in client.content().walk():
            for key in filter(lambda key: "distribution.source" in key, info.labels):
                client.content().update(attrs.evolve(info, labels={}), (f"labels.{key}",))

    def run(self, client: Client) -> None:
        client.transfer().push(self.scene.name, to=f"{self.scene.registry.host}/{self._path}:1")

    def check(self, client: Client) -> None:
        super().check(client)
        manifest = Manifest.decode(self.scene.made.read(self.scene.image), self.scene.image)
        with Registry(self.scene.registry.host) as registry:
            repository = registry.repository(self._path)
            assert repository.resolve("1") == self.scene.image
            assert all(repository.has(one.digest) for one in (manifest.config, *manifest.layers))


class Commit(Work):
    """An image is made of a fork."""

    def prepare(self, client: Client) -> None:
        super().prepare(client)
        snapshotter = client.snapshotter(KEYSPACE)
        mounts = snapshotter.prepare(_FORK, client.transfer().resolve(self.scene.name).chain_id)
        with temporary_mount(mounts) as root:
            (Path(root) / "new").write_bytes(os.urandom(4_000_000))

    def run(self, client: Client) -> None:
        client.transfer().commit(_FORK, "made:1")

    def check(self, client: Client) -> None:
        super().check(client)
        snapshotter = client.snapshotter(KEYSPACE)
        top = client.transfer().unpack("made:1").chain_id
        with temporary_mount(snapshotter.view("check", top), read_only=True) as root:
            assert (Path(root) / "new").stat().st_size == 4_000_000
        snapshotter.remove("check")
        snapshotter.remove(_FORK)


class Export(Work):
    """An image is exported to an archive."""

    def run(self, client: Client) -> None:
        client.transfer().export(str(self.scene.directory / "out.tar"), [self.scene.name])

    def check(self, client: Client) -> None:
        super().check(client)
        assert os.listdir(self.scene.directory) == ["out.tar"]
        with open_source(str(self.scene.directory / "out.tar")) as source:
            ((_, target),) = source.images
            assert target.digest == self.scene.image.digest
            for blob in Manifest.decode(source.read(target), target).layers:
                with source.open(blob):
                    pass
        shutil.rmtree(self.scene.directory)
        self.scene.directory.mkdir()


class Prune(Work):
    """An image is removed, and what it was made of collected."""

    def prepare(self, client: Client) -> None:
        super().prepare(client)
        client.images().delete(self.scene.name)

    def run(self, client: Client) -> None:
        remove_all(client)

    def check(self, client: Client) -> None:
        assert is_empty(client)


WORKS: Final[dict[str, Callable[[Scene], Work]]] = {
    "pull": Pull,
    "push": Push,
    "commit": Commit,
    "export": Export,
    "prune": Prune,
}


def remove_all(client: Client) -> None:
    """Remove all images, and collect what they were made of."""
    for image in client.images().list():
        client.images().delete(image.name)
    for content_only in (False, True):
        for removed in client.collector().collect(content_only=content_only):
            assert not removed.error, removed


def is_empty(client: Client) -> bool:
    """Return whether a host has neither blobs nor ingests nor snapshots of images."""
    snapshotter: Snapshotter = client.snapshotter(KEYSPACE)
    try:
        snapshots = [info.name for info in snapshotter.walk()]
    except NotFound:
        snapshots = []
    return [*client.content().walk(), *client.content().statuses(), *snapshots] == []
