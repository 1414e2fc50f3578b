"""Local snapshotters for tests, whatever their backend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lamina.snapshots.local import Backend, LocalSnapshotter
from lamina.snapshots.storage import MetaStore


@contextlib.contextmanager
def open_local(
    metastore: Path,
    backend: Backend,
    name: str,
    *,
    state: Path | None = None,
    sync_fs: bool = True,
    sync_remove: bool = False,
) -> Iterator[LocalSnapshotter]:
    """A snapshotter on a backend, with its metastore in that directory, closed at the end of the block."""
    store = MetaStore.open(str(metastore), str(state or ""))
    try:
        snapshotter = LocalSnapshotter.open(
            backend, store.snapshotter(name), sync_fs=sync_fs, sync_remove=sync_remove
        )
        try:
            yield snapshotter
        finally:
            snapshotter.close()
    finally:
        store.close()
