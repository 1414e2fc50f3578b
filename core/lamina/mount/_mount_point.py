"""Directories to mount on for a while."""

from __future__ import annotations

import os
from typing import Final

from lamina.fs import REFUSED

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - where shm_overview(7) has it; a directory with a new name is made


def make_mount_point(directory: str | os.PathLike[str] | None = None) -> str:
    """Make a new empty directory.

    Args:
        directory: Where. By default `$XDG_RUNTIME_DIR` if set, else the system's directory for temporary files; or
            in shared memory, which is on no disk, where that one is full or read-only.

    Raises:
        OSError: It cannot be made.
    """
    import tempfile  # noqa: PLC0415 - takes longer to import than the rest of this package

    location = directory or os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    try:
        return tempfile.mkdtemp(prefix="lamina-mount", dir=location)
    except OSError as error:
        if directory or error.errno not in REFUSED:
            raise
    return tempfile.mkdtemp(prefix="lamina-mount", dir=SHARED_MEMORY)
