"""Native snapshotters for tests."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots.local import LocalSnapshotter
from tests.support.snapshotters.local import open_local


def open_native(
    path: Path, backend: type[NativeBackend] = NativeBackend, *, sync_fs: bool = True, sync_remove: bool = False
) -> contextlib.AbstractContextManager[LocalSnapshotter]:
    """A native snapshotter with its metastore and its data below `path`, closed at the end of the block."""
    data = backend(str(path / "native"))
    return open_local(path / "metastore", data, "native", sync_fs=sync_fs, sync_remove=sync_remove)
