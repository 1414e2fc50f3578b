"""Archives that are compressed as a whole."""

from __future__ import annotations

import os
from typing import Final

from lamina.context import current
from lamina.errdefs import ResourceExhausted, translated
from lamina.fs import write_all
from lamina.layers import LayerStream

MAX_UNCOMPRESSED: Final = 64 << 30
"""Default maximum size of a compressed archive once it is decompressed, in bytes."""
_PIECE: Final = 1 << 20


def decompress(stream: LayerStream, directory: str, limit: int) -> int:
    """Decompress an archive to a file without a name, and return its descriptor.

    Args:
        stream: The archive.
        directory: The directory in which the file is made. Its space is freed when the descriptor is closed.
        limit: Maximum number of bytes to write.

    Raises:
        InvalidArgument: The compressed data is damaged.
        ResourceExhausted: The archive is larger than `limit`, or the disk is full.
        Canceled, DeadlineExceeded: The current call ended.
    """
    with translated(f"decompress the archive in {directory}"):
        fd = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            _copy(stream, fd, limit)
        except BaseException:
            os.close(fd)
            raise
    return fd


def _copy(stream: LayerStream, fd: int, limit: int) -> None:
    call = current()
    written = 0
    while data := stream.read(_PIECE):
        call.check()
        written += len(data)
        if written > limit:
            raise ResourceExhausted(f"decompress the archive: more than the {limit} bytes that are allowed")
        write_all(fd, data)
