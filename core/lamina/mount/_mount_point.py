"""Directories to mount on for a while."""

from __future__ import annotations

import os
from typing import Final

from lamina.fs import FULL_OR_READ_ONLY, make_temporary_directory, open_path

SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - where shm_overview(7) has it; a directory with a new name is made


def make_mount_point(directory: str | os.PathLike[str] | None = None) -> str:
    """Make a new empty directory.

    Args:
        directory: Where. By default `$XDG_RUNTIME_DIR` if that is the user's own, as it must be and after sudo(8)
            need not, else the system's directory for temporary files; or in shared memory, which is on no disk,
            where that one is full or read-only.

    Raises:
        PermissionDenied: Another user could put something else in its place, to be mounted on.
        OSError: It cannot be made.
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
