"""File descriptors that a `with` block closes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def opened(
    path: str | bytes | os.PathLike[str], flags: int, mode: int = 0o777, *, dir_fd: int | None = None
) -> Iterator[int]:
    """Open a file with `os.open`, which has the same parameters, and close the descriptor at the end of the block.

    Raises:
        OSError: The file cannot be opened.
    """
    fd = os.open(path, flags, mode, dir_fd=dir_fd)
    try:
        yield fd
    finally:
        os.close(fd)
