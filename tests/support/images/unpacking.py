"""A process that unpacks an image and tells each step, so that it can be killed there.

python -m tests.support.images.unpacking DIRECTORY KEYSPACE MANIFEST_DIGEST SIZE
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from lamina.content import Descriptor, read_blob
from lamina.content.local import LocalContentStore
from lamina.images.documents import OCI_MANIFEST, ImageConfig, Manifest
from lamina.images.unpack import Destination, Unpacker
from lamina.layers.workers import WorkerDiffer
from lamina.mount import Mount
from tests.support.snapshotters.forwarding import Forwarding
from tests.support.snapshotters.overlay import open_overlay


class Telling(Forwarding):
    """Prints a line before and after each call that changes something."""

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        tell("prepare")
        mounts = self.inner.prepare(key, parent, labels)
        tell("prepared")
        return mounts

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        tell("commit")
        self.inner.commit(name, key, labels, parent)
        tell("committed")


def tell(step: str) -> None:
    print(step, flush=True)


def main(directory: str, keyspace: str, digest: str, size: str) -> None:
    """Unpack the image of a manifest, from `directory/content` to the overlay snapshotter in `directory`."""
    path = Path(directory)
    with (
        closing(LocalContentStore(str(path / "content"))) as content,
        open_overlay(path, sync_fs=False) as overlay,
        closing(WorkerDiffer()) as applier,
    ):
        manifest = Manifest.decode(read_blob(content, digest), Descriptor(OCI_MANIFEST, digest, int(size)))
        config = ImageConfig.decode(read_blob(content, manifest.config.digest), manifest.config)
        destination = Destination("overlayfs", Telling(overlay.keyspace(keyspace)), rebases=True)
        Unpacker(content, applier).unpack(manifest, config, destination, lambda _: tell("progress"))


if __name__ == "__main__":
    main(*sys.argv[1:])
