"""System calls that Python's `os` does not have."""

from __future__ import annotations

import ctypes
import os

_OPENAT2 = 437
"""The same on every architecture that this is run on (asm-generic/unistd.h)."""
_RESOLVE_NO_XDEV = 0x01
"""linux/openat2.h: do not cross into another mount, be it a bind mount of the same file system."""
_AT_FDCWD = -100
"""linux/fcntl.h: paths are relative to the working directory."""
_RENAME_EXCHANGE = 1 << 1
"""linux/fs.h."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    """`struct open_how` of linux/openat2.h."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_within_mount(name: str, flags: int, /, *, dir_fd: int) -> int:
    """open(2) that fails with EXDEV where `name` is a mount point. Needs Linux 5.6.

    Args:
        name: A name in the directory.
        flags: Those of open(2).
        dir_fd: The directory.

    Raises:
        OSError: As open(2), and see openat2(2).
    """
    how = _OpenHow(flags=flags, resolve=_RESOLVE_NO_XDEV)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    fd = int(_libc.syscall(_OPENAT2, dir_fd, os.fsencode(name), ctypes.byref(how), size))
    if fd < 0:
        raise _error(name)
    return fd


def exchange(one: str, other: str) -> None:
    """Exchange what two names lead to, in one step: at no moment does either lead to nothing.

    Args:
        one: A path that exists.
        other: Another one, on the same file system.

    Raises:
        OSError: As renameat2(2) with RENAME_EXCHANGE; EINVAL where the file system cannot do it.
    """
    if _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) < 0:
        raise _error(other)


def syncfs(fd: int) -> None:
    """Write what is in memory of a file system to its disk.

    Args:
        fd: Any file or directory of that file system.

    Raises:
        OSError: It failed; EIO and ENOSPC also for what was written by others since `fd` was opened.
    """
    if _libc.syncfs(fd) < 0:
        raise _error(None)


def _error(name: str | None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), name)
