"""Overlay snapshotters for tests."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from lamina.plugins.snapshots.overlay import OverlayBackend, probe
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.local import open_local


def open_overlay(
    path: Path, *, metastore: str = "metastore", sync_fs: bool = True, sync_remove: bool = False, **options: Any
) -> contextlib.AbstractContextManager[LocalSnapshotter]:
    """An overlay snapshotter with its metastore and its data below `path`, closed at the end of the block."""
    root = path / "overlay"
    root.mkdir(exist_ok=True)
    if "options" not in options:
        options["options"] = probe(str(root), (), remap_ids=False)[0]
    backend = OverlayBackend(str(root), **options)
    return open_local(path / metastore, backend, "overlayfs", sync_fs=sync_fs, sync_remove=sync_remove)


def snapshots(tmp_path: Path) -> set[str]:
    """The names of what is below `snapshots/`."""
    return set(os.listdir(tmp_path / "overlay/snapshots"))


def trash_is_empty(tmp_path: Path) -> bool:
    """Whether all that was removed is deleted."""
    return not os.listdir(tmp_path / "overlay/trash")
