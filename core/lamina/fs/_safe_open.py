"""Open, create and replace files safely where another user may have planted links (as Postfix's safe_open(3))."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Final

from lamina.errdefs import FailedPrecondition
from lamina.fs._descriptor import opened
from lamina.fs._durability import fsync
from lamina.fs._exposure import Trust, file_exposure

TEMPORARY_SUFFIX: Final = ".new"
"""The suffix of a file that is being written."""
_SAFE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""O_NONBLOCK prevents a FIFO in place of the file from blocking the process (fifo(7))."""


def open_secure_file(path: str, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
    """Open a file and verify it with `check_secure_file`.

    Args:
        path: The file. If `dir_fd` is given, only its last component is used.
        flags: The flags of open(2), without O_TRUNC.
        mode: The mode of a file that is created.
        dir_fd: The descriptor of the directory of the file.

    Raises:
        FailedPrecondition: As for `check_secure_file`.
        OSError: The file cannot be opened.
    """
    name = path if dir_fd is None else os.path.basename(path)
    try:
        fd = os.open(name, flags | _SAFE, mode, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):  # a link, a directory or a socket
            check_secure_file(os.stat(name, dir_fd=dir_fd, follow_symlinks=False), path)
        raise OSError(error.errno, error.strerror, path) from error
    try:
        check_secure_file(os.fstat(fd), path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def check_secure_file(status: os.stat_result, path: str) -> None:
    """Check that a file is regular, has one hard link, and belongs to root or the process's user.

    Args:
        status: The result of lstat(2) or fstat(2).
        path: The path for the message.

    Raises:
        FailedPrecondition: The file is not secure. The message says why, and the remedy.
    """
    exposure = file_exposure(status, path, Trust.of_process())
    if exposure:
        raise FailedPrecondition(f"{exposure.found}; refusing to use it: {exposure.remedy}")


def set_mode(path: str, mode: int) -> None:
    """Set the mode of a directory or of a secure file. A link is not followed.

    Raises:
        FailedPrecondition: As for `check_secure_file`.
        OSError: It cannot be opened.
    """
    with opened(path, os.O_RDONLY | _SAFE) as fd:
        status = os.fstat(fd)
        if not stat.S_ISDIR(status.st_mode):
            check_secure_file(status, path)
        os.fchmod(fd, mode)


def create_file(name: str, *, dir_fd: int) -> int:
    """Create an empty file with mode 0600 and open it for writing, replacing any file of that name.

    Raises:
        OSError: The file cannot be created; IsADirectoryError if a directory has the name.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE
    with contextlib.suppress(FileExistsError):
        return os.open(name, flags, 0o600, dir_fd=dir_fd)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=dir_fd)
    return os.open(name, flags, 0o600, dir_fd=dir_fd)


def replace_file(path: str, data: bytes, *, dir_fd: int | None = None) -> None:
    """Replace the content of a file atomically and durably. A missing file is created with mode 0600.

    A call after a failed one writes everything again.

    Args:
        path: The file. The new content is first written to `path` with the suffix `.new`. If `dir_fd` is given,
            only the last component is used.
        data: The new content.
        dir_fd: The descriptor of the directory of the file.

    Raises:
        OSError: The file has the old content, or the new content, which may not be durable.
    """
    directory, name = os.path.split(path)
    if dir_fd is None:
        with opened(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as fd:
            replace_file(name, data, dir_fd=fd)
        return
    with open(create_file(name + TEMPORARY_SUFFIX, dir_fd=dir_fd), "wb") as file:
        file.write(data)
        file.flush()
        fsync(file.fileno())
    os.rename(name + TEMPORARY_SUFFIX, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    fsync(dir_fd)
