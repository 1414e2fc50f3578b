"""A directory that appears when it is complete, or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import Final

from lamina.context import current, use
from lamina.errdefs import AlreadyExists, Unavailable, translated
from lamina.fs import fsync, opened, remove_tree

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def new_directory(path: str) -> Iterator[int]:
    """Open a directory to be filled, which gets its name, durably, when the block ends.

    Until then it is beside its place, as `.NAME.new`; one that a killed process left there is removed. Its mode is
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


def _remove(name: str, parent: int) -> None:
    """Remove a directory, even if the current call has ended."""
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
        raise Unavailable(f"write {path}: another process is writing it; try again later") from None
