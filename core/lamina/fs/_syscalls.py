"""System calls missing from Python's `os`."""

from __future__ import annotations

import ctypes
import os

_OPENAT2 = 437
"""The same number on all supported architectures (asm-generic/unistd.h)."""
_RESOLVE_NO_XDEV = 0x01
"""linux/openat2.h: do not cross mount points, including bind mounts of the same file system."""
_RESOLVE_NO_SYMLINKS = 0x04
"""linux/openat2.h: follow no symbolic link, and so no link in proc(5)."""
_RESOLVE_BENEATH = 0x08
"""linux/openat2.h: do not leave the directory."""
_AT_FDCWD = -100
"""linux/fcntl.h: resolve paths relative to the working directory."""
_RENAME_NOREPLACE = 1 << 0
_RENAME_EXCHANGE = 1 << 1
"""linux/fs.h."""
_SYNC_FILE_RANGE_WRITE = 2
"""linux/fs.h: begin to write, and do not wait for the end."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


class _OpenHow(ctypes.Structure):
    """`struct open_how` of linux/openat2.h."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_within_mount(name: str, flags: int, /, *, dir_fd: int) -> int:
    """Open a file as open(2) does, but fail with EXDEV if `name` is a mount point. Requires Linux 5.6.

    Args:
        name: A name in the directory.
        flags: The flags of open(2).
        dir_fd: The descriptor of the directory.

    Raises:
        OSError: As openat2(2).
    """
    return _openat2(dir_fd, name, flags, _RESOLVE_NO_XDEV)


def open_beneath(path: bytes, flags: int, /, *, dir_fd: int) -> int:
    """Open a file beneath a directory, whatever happens to the path meanwhile. Requires Linux 5.6.

    Args:
        path: A path relative to the directory. Any symbolic link in it is an error (ELOOP, or ENOTDIR for the last
            component with O_DIRECTORY), as is a mount point (EXDEV) and a `..` that leads out of the directory.
        flags: The flags of open(2). With O_PATH and O_NOFOLLOW the last component may be a symbolic link.
        dir_fd: The descriptor of the directory.

    Raises:
        OSError: As openat2(2).
    """
    return _openat2(dir_fd, path, flags, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_XDEV)


def exchange(one: str, other: str) -> None:
    """Exchange two paths atomically.

    Args:
        one: An existing path.
        other: Another existing path on the same file system.

    Raises:
        OSError: As renameat2(2) with RENAME_EXCHANGE; EINVAL if the file system does not support it.
    """
    if _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) < 0:
        raise _error(other)


def rename_new(old: str, new: str, /, *, src_dir_fd: int = _AT_FDCWD, dst_dir_fd: int = _AT_FDCWD) -> None:
    """Rename a file or a directory as rename(2) does, but replace nothing.

    Args:
        old: An existing path.
        new: A path on the same file system.
        src_dir_fd: The descriptor of the directory that `old` is relative to; the working directory by default.
        dst_dir_fd: The same for `new`.

    Raises:
        OSError: As renameat2(2) with RENAME_NOREPLACE: FileExistsError if something has the new name.
    """
    if _libc.renameat2(src_dir_fd, os.fsencode(old), dst_dir_fd, os.fsencode(new), _RENAME_NOREPLACE) < 0:
        raise _error(new)


def syncfs(fd: int) -> None:
    """Write all cached data of a file system to its disk.

    Args:
        fd: The descriptor of any file or directory on the file system.

    Raises:
        OSError: The sync failed. EIO and ENOSPC may concern data that others wrote since `fd` was opened.
    """
    if _libc.syncfs(fd) < 0:
        raise _error(None)


def start_writeback(fd: int, offset: int = 0, size: int = 0) -> None:
    """Begin to write cached data of a file to its disk (sync_file_range(2)), so that a later fsync(2) waits less.

    Args:
        fd: The descriptor of the file.
        offset: The first byte.
        size: Bytes; 0 for all up to the end of the file.

    Raises:
        OSError: The disk failed or is full. The next fsync(2) reports that, too.
    """
    if _libc.sync_file_range(fd, offset, size, _SYNC_FILE_RANGE_WRITE) < 0:
        raise _error(None)


def _openat2(dir_fd: int, path: str | bytes, flags: int, resolve: int) -> int:
    how = _OpenHow(flags=flags, resolve=resolve)
    size = ctypes.c_size_t(ctypes.sizeof(how))
    fd = int(_libc.syscall(_OPENAT2, dir_fd, os.fsencode(path), ctypes.byref(how), size))
    if fd < 0:
        raise _error(path)
    return fd


def _error(name: str | bytes | None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), name)
