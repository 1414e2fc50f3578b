"""Run lamina's conformance suite: `pytest` as root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from blockfile_snapshotter import ID, BlockfileBackend, BlockfileConfig, make_empty_image

from lamina.snapshots import Snapshotter
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore
from lamina.testing import Conformance, SnapshotterFactory


@contextmanager
def open_blockfile(directory: Path) -> Iterator[Snapshotter]:
    """Open a snapshotter with its metastore and images in a directory."""
    root, config = str(directory / "images"), BlockfileConfig()
    make_empty_image(root, config)
    backend = BlockfileBackend(root, config)
    with (
        closing(MetaStore.open(str(directory / "metastore"))) as store,
        # No check simulates a power failure, so syncing is unnecessary.
        closing(LocalSnapshotter.open(backend, store.snapshotter(ID), sync_fs=False)) as snapshotter,
    ):
        yield snapshotter


def data(directory: Path) -> list[str]:
    """List the data of snapshots, including removed ones."""
    places = ("snapshots", "records", "trash")
    return [f"{place}/{name}" for place in places for name in os.listdir(directory / "images" / place)]


class TestBlockfile(Conformance):
    """All checks."""

    factories = (SnapshotterFactory(ID, open_blockfile, data=data),)
