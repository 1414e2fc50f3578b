"""A file or a directory that is there when it is complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from typing import Final

from lamina.context import current, use
from lamina.errdefs import AlreadyExists, FailedPrecondition, Unavailable, translated
from lamina.fs import fsync, opened, remove_tree

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CLOEXEC
_NO_NAMELESS_FILES: Final = (errno.EOPNOTSUPP, errno.EISDIR)
"""Errors of O_TMPFILE on file systems that do not know it (open(2))."""


@contextlib.contextmanager
def new_file(path: str) -> Iterator[int]:
    """Open a file for writing, which gets its name, durably, when the block ends. It may replace another file.

    It has no name before, where the file system can do that, so that nothing stays of it if the process is killed;
    elsewhere it is beside its place, as `.NAME.new`. Its mode is 0600.

    Raises:
        FailedPrecondition: Something is there that is not a regular file.
        NotFound: The directory does not exist.
        ResourceExhausted: The disk is full.
    """
    with _parent(path) as (parent, name), contextlib.ExitStack() as cleaning:
        _check_replaceable(parent, name, path)
        temporary = f".{name}.new"
        with translated(f"create {path}"):
            fd, is_nameless = _open_new(parent, temporary)
        cleaning.callback(os.close, fd)
        cleaning.callback(_unlink, temporary, parent)
        yield fd
        with translated(f"write {path}"):
            fsync(fd)
            if is_nameless:
                _unlink(temporary, parent)
                os.link(f"/proc/self/fd/{fd}", temporary, dst_dir_fd=parent)
            _check_replaceable(parent, name, path)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            fsync(parent)


@contextlib.contextmanager
def new_directory(path: str) -> Iterator[int]:
    """Open a directory to be filled, which gets its name, durably, when the block ends.

    It is beside its place before, as `.NAME.new`; one that a killed process left there is removed. Its mode is
    0700. The caller syncs what it writes there.

    Raises:
        AlreadyExists: Something is there that is not an empty directory.
        Unavailable: Another process writes to the same place.
        NotFound: The directory above does not exist.
        ResourceExhausted: The disk is full.
    """
    with _parent(path) as (parent, name), contextlib.ExitStack() as cleaning:
        temporary = f".{name}.new"
        _remove_abandoned(parent, temporary, path)
        with translated(f"create {path}"):
            if os.path.lexists(path) and not (os.path.isdir(path) and not os.listdir(path)):
                raise AlreadyExists(f"{path} exists: an image layout needs a new or an empty directory")
            os.mkdir(temporary, 0o700, dir_fd=parent)
            cleaning.callback(_remove, temporary, parent)
            fd = cleaning.enter_context(opened(temporary, _DIRECTORY, dir_fd=parent))
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield fd
        with translated(f"write {path}"):
            fsync(fd)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            fsync(parent)


@contextlib.contextmanager
def _parent(path: str) -> Iterator[tuple[int, str]]:
    """Open the directory of a file; yield it with the name of the file."""
    directory, name = os.path.split(os.path.abspath(path))
    with contextlib.ExitStack() as stack:
        with translated(f"open {directory}"):
            fd = stack.enter_context(opened(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        yield fd, name


def _check_replaceable(parent: int, name: str, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise FailedPrecondition(f"{path} is not a regular file: choose another name")


def _open_new(parent: int, temporary: str) -> tuple[int, bool]:
    """Return the descriptor of a new file, and whether it is without a name."""
    try:
        return os.open(".", os.O_TMPFILE | _NEW, 0o600, dir_fd=parent), True
    except OSError as error:
        if error.errno not in _NO_NAMELESS_FILES:
            raise
    _unlink(temporary, parent)
    return os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | _NEW, 0o600, dir_fd=parent), False


def _unlink(name: str, parent: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=parent)


def _remove(name: str, parent: int) -> None:
    """Remove a directory, also if the current call has ended."""
    with use(current().detached()):
        remove_tree(name, dir_fd=parent)


def _remove_abandoned(parent: int, temporary: str, path: str) -> None:
    try:
        with opened(temporary, _DIRECTORY, dir_fd=parent) as fd:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(temporary, dir_fd=parent)
    except FileNotFoundError:
        return
    except BlockingIOError:
        raise Unavailable(f"write {path}: another process is just writing it; try again later") from None
