"""Compare two files other than directories."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Final

import attrs

from lamina.layers.comparing._attributes import below, xattrs
from lamina.layers.comparing._extents import share_data

_PATH: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC
CHUNK: Final = 1 << 20
"""Bytes read at a time."""


def open_file(name: str, directory: int) -> int:
    """Open a regular file for reading, and return its descriptor.

    If it was replaced meanwhile, the replacement is not opened: it may be a device that acts when it is opened.

    Raises:
        FileNotFoundError: There is no regular file of the name.
        OSError: It cannot be opened.
    """
    path = os.open(name, _PATH, dir_fd=directory)  # `opened` would take longer than the call
    try:
        if not stat.S_ISREG(os.fstat(path).st_mode):
            raise FileNotFoundError(errno.ENOENT, "it is no longer a regular file", name)
        return os.open(f"/proc/self/fd/{path}", _READ)
    finally:
        os.close(path)


@attrs.frozen(eq=False, repr=False)
class FileComparer:
    """Compares files of two trees, other than directories, that have the same name and type."""

    is_one_btrfs: bool
    """True if both trees are on one btrfs."""
    check: Callable[[], None]
    """Raises an error if the call was cancelled."""

    def differ(self, name: str, old: os.stat_result, new: os.stat_result, old_fd: int, new_fd: int) -> bool:
        """Return whether two files differ. Content is compared if size and time are equal.

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
                return self._data_differs(name, new.st_size, old_fd, new_fd)
        elif _special_differs(name, old, new, old_fd, new_fd):
            return True
        return xattrs(below(old_fd, name)) != xattrs(below(new_fd, name))

    def _data_differs(self, name: str, size: int, old_fd: int, new_fd: int) -> bool:
        """Compare extended attributes and content of two files of the same size."""
        old = open_file(name, old_fd)
        try:
            new = open_file(name, new_fd)
            try:
                return xattrs(old) != xattrs(new) or self._content_differs(old, new, size)
            finally:
                os.close(new)
        finally:
            os.close(old)

    def _content_differs(self, old: int, new: int, size: int) -> bool:
        if self.is_one_btrfs and share_data(old, new):
            return False
        while size > 0:
            data = _read(new, min(size, CHUNK))
            if data != _read(old, min(size, CHUNK)):
                return True
            if size <= CHUNK or not data:
                return False
            size -= CHUNK
            self.check()
        return False


def _special_differs(name: str, old: os.stat_result, new: os.stat_result, old_fd: int, new_fd: int) -> bool:
    """Compare the targets of symbolic links and the numbers of devices."""
    if stat.S_ISLNK(new.st_mode):
        return os.readlink(name, dir_fd=old_fd) != os.readlink(name, dir_fd=new_fd)
    return old.st_rdev != new.st_rdev and not stat.S_ISFIFO(new.st_mode)


def _read(fd: int, size: int) -> bytes:
    """Read a number of bytes; fewer only at the end of the file."""
    data = os.read(fd, size)
    while len(data) < size and (more := os.read(fd, size - len(data))):
        data += more
    return data
