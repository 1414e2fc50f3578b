"""Directories to mount on for a while."""

from __future__ import annotations

import os


def make_mount_point(directory: str | os.PathLike[str] | None = None) -> str:
    """Make a new empty directory.

    Args:
        directory: Where. By default `$XDG_RUNTIME_DIR` if set, else the system's directory for temporary files.

    Raises:
        OSError: It cannot be made.
    """
    import tempfile  # noqa: PLC0415 - takes longer to import than the rest of this package

    location = directory or os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="lamina-mount", dir=location)
