"""Compare two files that are no directories."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Final

from lamina.layers.comparing._attributes import below, xattrs

OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""How regular files are opened: one that was replaced by a FIFO or a terminal meanwhile does no harm."""
CHUNK: Final = 1 << 20
"""Bytes read at a time."""


def differ(
    name: str, old: os.stat_result, new: os.stat_result, old_fd: int, new_fd: int, check: Callable[[], None]
) -> bool:
    """Return whether two files of the same type differ. Content is compared if size and time are equal.

    Args:
        name: Their name.
        old: The status of the one.
        new: The status of the other.
        old_fd: The descriptor of the directory that the one is in.
        new_fd: The descriptor of the directory that the other is in.
        check: Raises an error if the call was cancelled.

    Raises:
        OSError: A file cannot be read.
    """
    if (old.st_mode, old.st_mtime_ns, old.st_uid, old.st_gid) != (
        new.st_mode,
        new.st_mtime_ns,
        new.st_uid,
        new.st_gid,
    ):
        return True
    if (old.st_ino, old.st_dev) == (new.st_ino, new.st_dev):
        return False
    if stat.S_ISREG(new.st_mode):
        if old.st_size != new.st_size:
            return True
        if new.st_size:
            return _data_differs(name, new.st_size, old_fd, new_fd, check)
    elif _special_differs(name, old, new, old_fd, new_fd):
        return True
    return xattrs(below(old_fd, name)) != xattrs(below(new_fd, name))


def _special_differs(name: str, old: os.stat_result, new: os.stat_result, old_fd: int, new_fd: int) -> bool:
    """Compare the targets of symbolic links and the numbers of devices."""
    if stat.S_ISLNK(new.st_mode):
        return os.readlink(name, dir_fd=old_fd) != os.readlink(name, dir_fd=new_fd)
    return old.st_rdev != new.st_rdev and not stat.S_ISFIFO(new.st_mode)


def _data_differs(name: str, size: int, old_fd: int, new_fd: int, check: Callable[[], None]) -> bool:
    """Compare extended attributes and content of two files of the same size."""
    old = os.open(name, OPEN, dir_fd=old_fd)  # `opened` would take longer than the call
    try:
        new = os.open(name, OPEN, dir_fd=new_fd)
        try:
            return xattrs(old) != xattrs(new) or _content_differs(old, new, size, check)
        finally:
            os.close(new)
    finally:
        os.close(old)


def _content_differs(old: int, new: int, size: int, check: Callable[[], None]) -> bool:
    while size > 0:
        data = _read(new, min(size, CHUNK))
        if data != _read(old, min(size, CHUNK)):
            return True
        if size <= CHUNK or not data:
            return False
        size -= CHUNK
        check()
    return False


def _read(fd: int, size: int) -> bytes:
    """Read a number of bytes; fewer only at the end of the file."""
    data = os.read(fd, size)
    while len(data) < size and (more := os.read(fd, size - len(data))):
        data += more
    return data
