"""Temporary mount points."""

from __future__ import annotations

import os
from typing import Final

from lamina.fs import FULL_OR_READ_ONLY, make_temporary_directory, open_path

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - where shm_overview(7) has it; a directory with a new name is made


def make_mount_point(directory: str | os.PathLike[str] | None = None) -> str:
    """Create a new empty directory.

    Args:
        directory: The parent. By default `$XDG_RUNTIME_DIR` if this user owns it (after sudo(8) it may be another
            user's), else the system's directory for temporary files; or shared memory, which is not on a disk, if
            that one is full or read-only.

    Raises:
        PermissionDenied: Another user could replace it before it is mounted on.
        OSError: It cannot be created.
    """
    location = os.fspath(directory or _runtime_directory() or _system_directory())
    try:
        return _make(location)
    except OSError as error:
        if directory or error.errno not in FULL_OR_READ_ONLY:
            raise
    return _make(SHARED_MEMORY)


def _make(location: str) -> str:
    os.close(open_path(location))
    return make_temporary_directory(location, "lamina-mount")


def _runtime_directory() -> str | None:
    path = os.environ.get("XDG_RUNTIME_DIR")
    return path if path and os.stat(path).st_uid == os.geteuid() else None


def _system_directory() -> str:
    import tempfile  # takes longer to import than the rest of this package

    return tempfile.gettempdir()
