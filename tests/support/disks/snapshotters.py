"""Snapshotters of every built-in kind on a file system that a test has mounted."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from lamina.plugins.snapshots.btrfs import BtrfsBackend
from lamina.plugins.snapshots.btrfs import probe as probe_btrfs
from lamina.plugins.snapshots.native import NativeBackend
from lamina.plugins.snapshots.overlay import OverlayBackend
from lamina.plugins.snapshots.overlay import probe as probe_overlay
from lamina.snapshots.local import Backend, LocalSnapshotter
from tests.support.snapshotters.local import open_local

COMBINATIONS: Final = tuple(
    (backend, kind)
    for backend in ("overlay", "native", "btrfs")
    for kind in ("ext4", "xfs", "btrfs")
    if backend != "btrfs" or kind == "btrfs"
)
"""The backends, each with the file systems that it works on."""


def open_on(
    disk: Path, backend: str, *, metastore: Path | None = None, state: Path | None = None
) -> contextlib.AbstractContextManager[LocalSnapshotter]:
    """A snapshotter, closed at the end of the block.

    Args:
        disk: Where its file system is mounted.
        backend: `overlay`, `native` or `btrfs`.
        metastore: The metastore's directory; None: on the same file system.
        state: The metastore's directory for what need not survive a reboot; None: its own.
    """
    root = disk / "root"
    root.mkdir(mode=0o700, exist_ok=True)
    return open_local(metastore or disk / "metastore", _backend(backend, str(root)), backend, state=state)


def _backend(name: str, root: str) -> Backend:
    match name:
        case "overlay":
            return OverlayBackend(root, options=probe_overlay(root, (), remap_ids=False)[0])
        case "btrfs":
            return BtrfsBackend(root, device=probe_btrfs(root))
    return NativeBackend(root)
