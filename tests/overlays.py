"""Overlay snapshotters for tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamina.plugins.snapshots.overlay import OverlayBackend, probe
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import MetaStore


@contextlib.contextmanager
def open_overlay(
    path: Path, *, metastore: str = "metastore", sync_fs: bool = True, sync_remove: bool = False, **options: Any
) -> Iterator[LocalSnapshotter]:
    """An overlay snapshotter with its metastore and its data below `path`, closed at the end of the block."""
    root = path / "overlay"
    root.mkdir(exist_ok=True)
    store = MetaStore.open(str(path / metastore))
    try:
        options.setdefault("options", probe(str(root), ()))
        backend = OverlayBackend(str(root), **options)
        snapshotter = LocalSnapshotter.open(
            backend, store.snapshotter("overlayfs"), sync_fs=sync_fs, sync_remove=sync_remove
        )
        try:
            yield snapshotter
        finally:
            snapshotter.close()
    finally:
        store.close()
