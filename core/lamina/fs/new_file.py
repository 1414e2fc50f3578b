"""A file that is there when it is complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Final

from lamina.errdefs import FailedPrecondition, translated
from lamina.fs._descriptor import opened
from lamina.fs._durability import fsync

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CLOEXEC
_NO_NAMELESS_FILES: Final = (errno.EOPNOTSUPP, errno.EISDIR)
"""Errors of O_TMPFILE on file systems that do not know it (open(2))."""


@contextlib.contextmanager
def new_file(path: str, mode: int = 0o600) -> Iterator[int]:
    """Open a file for writing, which gets its name, durably, when the block ends. It may replace another file.

    It has no name before, where the file system can do that, so that nothing stays of it if the process is killed;
    elsewhere it is beside its place, as `.NAME.new`.

    Args:
        path: The file.
        mode: Its mode, less the process's umask.

    Raises:
        FailedPrecondition: Something is there that is not a regular file.
        NotFound: The directory does not exist.
        ResourceExhausted: The disk is full.
    """
    directory, name = os.path.split(os.path.abspath(path))
    temporary = f".{name}.new"
    with contextlib.ExitStack() as stack:
        with translated(f"create {path}"):
            parent = stack.enter_context(opened(directory, _DIRECTORY))
            _check_replaceable(parent, name, path)
            try:
                fd, is_nameless = _open_new(parent, temporary, mode)
            except OSError as error:
                raise OSError(error.errno, error.strerror) from error  # its path is not what the caller knows
        stack.callback(os.close, fd)
        stack.callback(_unlink, temporary, parent)
        yield fd
        with translated(f"write {path}"):
            fsync(fd)
            if is_nameless:
                _unlink(temporary, parent)
                os.link(f"/proc/self/fd/{fd}", temporary, dst_dir_fd=parent)
            _check_replaceable(parent, name, path)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            fsync(parent)


def _check_replaceable(parent: int, name: str, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise FailedPrecondition(f"{path} is not a regular file: choose another name")


def _open_new(parent: int, temporary: str, mode: int) -> tuple[int, bool]:
    """Return the descriptor of a new file, and whether it is without a name."""
    try:
        return os.open(".", os.O_TMPFILE | _NEW, mode, dir_fd=parent), True
    except OSError as error:
        if error.errno not in _NO_NAMELESS_FILES:
            raise
    _unlink(temporary, parent)
    return os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | _NEW, mode, dir_fd=parent), False


def _unlink(name: str, parent: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)
