"""File descriptors."""

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


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write data to a file, in as many calls of write(2) as it takes.

    Raises:
        OSError: The disk is full or failed.
    """
    while (count := os.write(fd, data)) < len(data):
        data = memoryview(data)[count:]
