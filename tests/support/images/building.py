"""A process that commits and exports an image with a host of its own, and tells each step, to be killed there.

python -m tests.support.images.building DIRECTORY FORMAT
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from lamina.content import ContentStore, verify_blob
from lamina.host import Host
from lamina.images import ArchiveFormat, ImageStore, Progress, Transfer
from lamina.mount import temporary_mount
from lamina.plugin import PluginType
from lamina.snapshots import Kind, Snapshotter
from tests.support.images.layouts import DEBIAN

FORMATS = get_args(ArchiveFormat)
NAME = "docker.io/library/mine:1"


class Parts:
    """A host with the image `DEBIAN` and the fork `work`, of which the image `NAME` is made."""

    def __init__(self, host: Host) -> None:
        self.transfer: Transfer = host.get(PluginType.TRANSFER, "local")
        self.content: ContentStore = host.get(PluginType.CONTENT, "content")
        self.images: ImageStore = host.get(PluginType.METADATA, "lmdb").images("default")
        overlay: Snapshotter = host.get(PluginType.SNAPSHOTTER, "overlayfs")
        self.snapshotter = overlay.keyspace("images/default")

    def begin(self, layout: Path) -> None:
        """Import the image, make the fork and change it."""
        self.transfer.import_(str(layout))
        self.snapshotter.prepare("work", self.transfer.resolve(DEBIAN).chain_id)
        self.change()

    def change(self) -> None:
        """Change the fork so that its layer takes a moment."""
        with temporary_mount(self.snapshotter.mounts("work")) as root:
            for number in range(4):
                (Path(root) / str(number)).write_bytes(os.urandom(2_000_000))

    def check(self) -> None:
        """Check that nothing is lost and nothing half there."""
        for info in self.content.walk():
            verify_blob(self.content, info.digest)
        names = {image.name for image in self.images.list()}
        assert {DEBIAN} <= names <= {DEBIAN, NAME}
        for name in names:
            found = self.transfer.resolve(name)
            for blob in (found.config, *found.layers):
                self.content.info(blob.digest)
        assert {info.name for info in self.snapshotter.walk() if info.kind is Kind.ACTIVE} == {"work"}


@contextlib.contextmanager
def parts(directory: Path) -> Iterator[Parts]:
    """A host with root and state in a directory."""
    with Host.from_config({"root": str(directory / "root"), "state": str(directory / "state")}) as host:
        yield Parts(host)


def tell(progress: Progress) -> None:
    print(progress.what, progress.done, flush=True)


def main(directory: str, format_: ArchiveFormat) -> None:
    """Commit the snapshot `work` as `NAME`, and export it to `out`. Root and state are in the directory."""
    with Host.from_config({"root": f"{directory}/root", "state": f"{directory}/state"}) as host:
        transfer: Transfer = host.get(PluginType.TRANSFER, "local")
        print("begin", flush=True)
        transfer.commit("work", NAME, source_date_epoch=0, progress=tell)
        print("committed", flush=True)
        transfer.export(f"{directory}/out", [NAME], format=format_, progress=tell)
        print("exported", flush=True)


if __name__ == "__main__":
    name, kind = sys.argv[1:]
    if kind not in FORMATS or not Path(name).is_dir():
        raise SystemExit(__doc__)
    main(name, kind)
