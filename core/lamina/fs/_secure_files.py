"""Files that a process keeps for itself, and that no link leads away from."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Final

from lamina.errdefs import FailedPrecondition
from lamina.fs._exposure import Trust, file_exposure

UNFINISHED: Final = ".new"
"""Ends the name of a file that is being written."""
_SAFE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Without O_NONBLOCK a FIFO in the file's place would keep the process waiting (fifo(7))."""


def open_secure_file(path: str, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
    """Open a file that must be the process's own, as `check_secure_file` tells.

    Args:
        path: The file. Its last name is looked up in `dir_fd`, if that is given.
        flags: As open(2); not O_TRUNC.
        mode: The mode of a file that is made.
        dir_fd: The directory that it is in.

    Raises:
        FailedPrecondition: As `check_secure_file`.
        OSError: It cannot be opened.
    """
    name = path if dir_fd is None else os.path.basename(path)
    try:
        fd = os.open(name, flags | _SAFE, mode, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):  # a link, a directory, a socket: say so
            check_secure_file(os.stat(name, dir_fd=dir_fd, follow_symlinks=False), path)
        raise OSError(error.errno, error.strerror, path) from error
    try:
        check_secure_file(os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_secure_file(status: os.stat_result, path: str) -> None:
    """Check that a file is the process's own.

    Args:
        status: What lstat(2) or fstat(2) tells of it.
        path: Its path, to be shown.

    Raises:
        FailedPrecondition: It is a link, a FIFO or anything else than a regular file; or has another name, and
            may be another program's; or belongs to another user.
    """
    exposure = file_exposure(status, path, Trust.of_process())
    if exposure:
        raise FailedPrecondition(f"{exposure.found}; it is not touched: {exposure.remedy}")


def create_file(name: str, *, dir_fd: int) -> int:
    """Open a new empty file for writing, mode 0600, in place of whatever has the name.

    Raises:
        OSError: It cannot be made; IsADirectoryError where a directory has the name.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=dir_fd)
    return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, 0o600, dir_fd=dir_fd)


def replace_file(path: str, data: bytes, *, dir_fd: int | None = None) -> None:
    """Replace a file, made (0600) where it does not exist: durable on return, and old or new whatever crashes.

    An attempt that failed proves nothing of the next one, which writes everything again.

    Args:
        path: The file. `path` with `.new` behind it is used as well.
        data: What it holds.
        dir_fd: The directory that it is in, where that is open: the last name of `path` is looked up there.

    Raises:
        OSError: It is as it was, or as it should be and perhaps not durable.
    """
    directory, name = os.path.split(path)
    if dir_fd is None:
        opened = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            replace_file(name, data, dir_fd=opened)
        finally:
            os.close(opened)
        return
    with open(create_file(name + UNFINISHED, dir_fd=dir_fd), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(name + UNFINISHED, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    os.fsync(dir_fd)
