"""Data roots on a file system that is not mounted when the host starts."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.errdefs import Unavailable
from lamina.metadata import Metadata
from lamina.plugin import PluginType
from lamina.snapshots.storage import MetaStore
from tests.support.directories import short_directory
from tests.support.processes.hosts import Host
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

CONFIG = """
[plugins."{snapshotter}.overlayfs"]
root_path = "{disk}/overlay"
[plugins."{snapshotter}.native"]
root_path = "{disk}"
[plugins."{content}.content"]
root_path = "{disk}/content"
"""
LABELS = {"containerd.io/gc.root": "now"}


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@contextlib.contextmanager
def mounted(image: Path, disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "loop", image, disk], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(host: Host, content: Path) -> None:
    """Make a snapshot of each snapshotter and a blob with labels, which no client can write."""
    with host.running(), host.client() as client:
        for name in ("overlayfs", "native"):
            client.snapshotter(name).prepare("making")
            client.snapshotter(name).commit("base", "making", LABELS)
    with contextlib.closing(MetaStore.open(f"{host.root}/{PluginType.METASTORE}.lmdb")) as store:
        blobs = LocalContentStore(str(content), Metadata.open(store).labels)
        with contextlib.closing(blobs), blobs.writer("ref") as writer:
            writer.write(b"blob")
            writer.commit(labels=LABELS)


def test_a_host_writes_nothing_to_the_mount_point_and_serves_the_data_when_it_is_there(directory: Path) -> None:
    disk, image = directory / "disk", directory / "image"
    disk.mkdir(mode=0o700)
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-E", "root_owner=0:0", image], check=True)
    config = CONFIG.format(snapshotter=PluginType.SNAPSHOTTER, content=PluginType.CONTENT, disk=disk)
    host = Host(directory / "host", config)
    with mounted(image, disk):
        disk.chmod(0o700)
        fill(host, disk / "content")
    with host.running(), host.client() as client:
        for name in ("overlayfs", "native"):
            with pytest.raises(Unavailable, match=r"is missing or empty.*; it is being retried"):
                client.snapshotter(name).stat("base")
        assert os.listdir(disk) == []
        with mounted(image, disk):
            host.reload()
            wait_until(lambda: not any(one.details.retrying for one in client.plugins()), 60, "all are served")
            for name in ("overlayfs", "native"):
                client.snapshotter(name).prepare("next", "base")
            assert [info.labels for info in client.content().walk()] == [LABELS]
            host.stop()
