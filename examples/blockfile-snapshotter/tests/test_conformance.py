"""The snapshotter goes through lamina's conformance suite: run `pytest` as root."""

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
    """A snapshotter with its metastore and its images below a directory, as it is by default."""
    root, config = str(directory / "images"), BlockfileConfig()
    make_empty_image(root, config)
    backend = BlockfileBackend(root, config)
    with (
        closing(MetaStore.open(str(directory / "metastore"))) as store,
        # No check cuts the power: the disk need not be waited for.
        closing(LocalSnapshotter.open(backend, store.snapshotter(ID), sync_fs=False)) as snapshotter,
    ):
        yield snapshotter


def data(directory: Path) -> list[str]:
    """What is kept for snapshots, removed ones too."""
    places = ("snapshots", "records", "trash")
    return [f"{place}/{name}" for place in places for name in os.listdir(directory / "images" / place)]


class TestBlockfile(Conformance):
    """Every check there is."""

    factories = (SnapshotterFactory(ID, open_blockfile, data=data),)
