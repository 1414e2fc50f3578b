"""Whether a file system can be written to."""

from __future__ import annotations

import errno
import os
from typing import Final

from lamina.errdefs import ReadOnly, ResourceExhausted

NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a file system without space, or without inodes, answers; and one on which a quota is used up."""
FULL_OR_READ_ONLY: Final = NO_SPACE | {errno.EROFS}
"""What a file system answers that cannot be written to now, and whose files can be read all the same."""
PROBE: Final = 1 << 20
"""Bytes that a file system has if it is not full."""


def is_full(directory: str, size: int = PROBE) -> bool:
    """Whether files in a directory cannot grow: for want of blocks, inodes, quota, or by RLIMIT_FSIZE.

    A file without a name is given so much space, and closed.

    Args:
        directory: The directory.
        size: Bytes.
    """
    import resource  # noqa: PLC0415 - hardly any start needs it

    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY:
        with os.scandir(directory) as entries:
            largest = max((entry.stat(follow_symlinks=False).st_size for entry in entries), default=0)
        if largest + size > limit:
            return True
    try:
        fd = os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)
        finally:
            os.close(fd)
    except OSError as error:
        return error.errno in NO_SPACE
    return False


def is_full_or_read_only(error: BaseException) -> bool:
    """Whether an error says no more than that a file system is full or read-only."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError):
        return cause.errno in FULL_OR_READ_ONLY
    return isinstance(error, ResourceExhausted | ReadOnly)
