"""File systems that are full or read-only."""

from __future__ import annotations

import errno
import os
from typing import Final

from lamina.errdefs import ReadOnly, ResourceExhausted
from lamina.fs._descriptor import opened

NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of file systems without free blocks or inodes, and of exceeded quotas."""
FULL_OR_READ_ONLY: Final = NO_SPACE | {errno.EROFS}
"""Errors of file systems that can be read, but not written to."""
PROBE_BYTES: Final = 1 << 20
"""Free bytes below which a file system counts as full."""


def is_full(directory: str, size: int = PROBE_BYTES) -> bool:
    """Return whether files in a directory cannot grow for lack of blocks, inodes or quota, or due to RLIMIT_FSIZE.

    An unnamed temporary file of that size is allocated to find out.

    Args:
        directory: The directory.
        size: Bytes to allocate.
    """
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY:
        with os.scandir(directory) as entries:
            largest = max((entry.stat(follow_symlinks=False).st_size for entry in entries), default=0)
        if largest + size > limit:
            return True
    try:
        with opened(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600) as fd:
            os.posix_fallocate(fd, 0, size)
    except OSError as error:
        return error.errno in NO_SPACE
    return False


def is_full_or_read_only(error: BaseException) -> bool:
    """Return whether an error, or its cause, means that a file system is full or read-only."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError):
        return cause.errno in FULL_OR_READ_ONLY
    return isinstance(error, ResourceExhausted | ReadOnly)
