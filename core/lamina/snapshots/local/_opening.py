"""Opening the directory of a data root, unless its file system seems not to be mounted."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable
from typing import Final

from lamina.errdefs import Unavailable
from lamina.fs import SecureDirectory

UUID: Final = "uuid"
"""The name of the file that marks a data root as that of a metastore (`Claim`)."""
SNAPSHOTS: Final = "snapshots"
"""The name of the directory with the data."""
_MODE: Final = 0o700


def open_data_root(path: str, uuid: str, snapshotter: str, has_snapshots: Callable[[], bool]) -> SecureDirectory:
    """Open the directory of a data root; create it (0700) if it does not exist.

    A missing or empty directory is that of a new snapshotter, or the mount point of a file system that is not
    mounted. What is written to a mount point is hidden as soon as the file system is mounted.

    Args:
        path: Its absolute path.
        uuid: The UUID of the metastore.
        snapshotter: The snapshotter.
        has_snapshots: Tells whether the metastore has snapshots of it.

    Raises:
        Unavailable: It has, and there is no data. Nothing was written.
        PermissionDenied, OSError: As `SecureDirectory.open`.
    """
    with contextlib.ExitStack() as undo:
        if os.path.lexists(path):
            directory = undo.enter_context(SecureDirectory.open(path, create_mode=_MODE))
            if directory.has(UUID) or directory.has(SNAPSHOTS) or not has_snapshots():
                undo.pop_all()
                return directory
        elif not has_snapshots():
            return SecureDirectory.open(path, create_mode=_MODE)
    raise missing(path, uuid, snapshotter)


def missing(path: str, uuid: str, snapshotter: str) -> Unavailable:
    """Return the error for a data root that lacks the data of a snapshotter's snapshots. A host tries again."""
    place = shlex.quote(path)
    return Unavailable(
        f"data root {path} is missing or empty, and metastore {uuid} has snapshots of {snapshotter}: is its file "
        "system mounted? Nothing there was touched. Mount it, or set root_path to the directory of the data; if "
        f"that is lost, allow an empty data root with `install -d -m 700 {place} && echo {uuid} >{place}/{UUID}`"
    )
