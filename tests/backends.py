"""The snapshotters that the conformance suite is run on."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from btrfs import mounted_btrfs, open_btrfs
from natives import open_native
from overlays import open_overlay
from serving import short_directory

from lamina.client import Client
from lamina.plugins.servers.grpc.grpcio_engine import GrpcioEngine
from lamina.plugins.servers.grpc.listener import Listener
from lamina.plugins.services.snapshots.names import Names, Snapshotters
from lamina.plugins.services.snapshots.service import SnapshotsService
from lamina.snapshots import Snapshotter
from lamina.testing import SnapshotterFactory, Traits


@contextlib.contextmanager
def open_proxy(path: Path) -> Iterator[Snapshotter]:
    """A client's snapshotter, in front of a served overlay snapshotter."""
    with open_overlay(path, sync_fs=False) as overlay, short_directory() as directory:
        service = SnapshotsService(Names(Snapshotters({"overlayfs": overlay}, {}), {})).service
        listener = Listener(f"{directory}/x.sock", GrpcioEngine([service], quick_workers=4, slow_workers=8))
        listener.start()
        try:
            with Client(f"{directory}/x.sock", timeout=60) as client:
                yield client.snapshotter("lamina-overlayfs")
        finally:
            listener.close()


def data_below(root: str) -> list[str]:
    """What a local snapshotter keeps at a data root, removed snapshots too."""
    return [
        f"{name}/{entry}" for name in ("snapshots", "records", "trash") for entry in os.listdir(f"{root}/{name}")
    ]


OVERLAY = SnapshotterFactory(
    "overlayfs",
    functools.partial(open_overlay, sync_fs=False),
    Traits(rebase=True, rename_of_directories=False),
    data=lambda path: data_below(f"{path}/overlay"),
    marks=(pytest.mark.requires("root", "overlay"),),
)
PROXY = SnapshotterFactory(
    "proxy",
    open_proxy,
    Traits(in_process=False, keyspaces=False, rebase=True, rename_of_directories=False),
    data=lambda path: data_below(f"{path}/overlay"),
    marks=(pytest.mark.requires("root", "overlay"),),
)
NATIVE = SnapshotterFactory(
    "native",
    functools.partial(open_native, sync_fs=False),
    data=lambda path: data_below(f"{path}/native"),
    marks=(pytest.mark.requires("root"),),
)
BTRFS = SnapshotterFactory(
    "btrfs",
    functools.partial(open_btrfs, sync_fs=False),
    surroundings=functools.partial(mounted_btrfs, megabytes=512),
    data=lambda path: data_below(f"{path}/btrfs/root"),
    marks=(pytest.mark.requires("root", "btrfs"),),
)
BACKENDS = (OVERLAY, NATIVE, BTRFS, PROXY)
