"""Images are unpacked by the contract of snapshotters alone, whoever implements it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lamina.content import ContentStore
from lamina.errdefs import Aborted, AlreadyExists
from lamina.images.unpack import Destination, Unpacker
from lamina.layers import Applier
from lamina.mount import Mount
from lamina.snapshots.local import LocalSnapshotter
from tests.support.images.appliers import CountingApplier
from tests.support.images.built import build_image, layer
from tests.support.images.trees import committed, files_of, unfinished
from tests.support.processes.hosts import Host
from tests.support.snapshotters.forwarding import Forwarding

pytestmark = pytest.mark.requires("root", "overlay")

LAYERS = (
    layer({"etc": None, "etc/name": "base", "gone": "1"}),
    layer({".wh.gone": "", "etc/name": "second"}),
    layer({"top": "3"}),
)
TREE = {"etc": None, "etc/name": "second", "top": "3"}


class Remote(Forwarding):
    """Makes the snapshots that `snapshot.ref` names itself, and answers that they exist."""

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        assert labels
        self.inner.prepare(key, parent, labels)
        self.inner.commit(labels["containerd.io/snapshot.ref"], key, labels)
        raise AlreadyExists("target snapshot: already exists")


class Staged(Forwarding):
    """Has the content of each layer, and shows it read-only."""

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        self.inner.prepare(key, parent, labels)
        return [Mount("erofs", "/nowhere")]


class Full(Forwarding):
    """Claims to have every key."""

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        raise AlreadyExists(key)


@pytest.mark.parametrize("rebases", [False, True])
@pytest.mark.parametrize("kind", [Remote, Staged])
def test_layers_that_the_snapshotter_has_itself_are_not_read(
    content: ContentStore, overlay: LocalSnapshotter, kind: type[Forwarding], *, rebases: bool
) -> None:
    image, applier = build_image(content, LAYERS[:1] if rebases else LAYERS), CountingApplier()
    snapshotter = kind(overlay)
    top = Unpacker(content, applier).unpack(
        image.manifest, image.config, Destination("remote", snapshotter, rebases=rebases)
    )
    assert applier.begun == 0
    assert top in committed(overlay)
    assert unfinished(overlay) == set()


def test_a_snapshotter_that_has_every_key_but_no_layer_is_given_up(
    content: ContentStore, overlay: LocalSnapshotter, applier: Applier
) -> None:
    image = build_image(content, LAYERS)
    with pytest.raises(Aborted, match="snapshotter full has every key that was tried"):
        Unpacker(content, applier).unpack(image.manifest, image.config, Destination("full", Full(overlay)))


@pytest.mark.parametrize("rebases", [False, True])
def test_a_snapshotter_may_be_behind_a_socket(
    content: ContentStore, applier: Applier, tmp_path: Path, *, rebases: bool
) -> None:
    with Host(tmp_path).running() as host, host.client() as client:
        destination = Destination("overlayfs", client.snapshotter("overlayfs/images/default"), rebases=rebases)
        image = build_image(content, LAYERS)
        top = Unpacker(content, applier).unpack(image.manifest, image.config, destination)
        assert files_of(destination.snapshotter, top) == TREE
        assert unfinished(destination.snapshotter) == set()
