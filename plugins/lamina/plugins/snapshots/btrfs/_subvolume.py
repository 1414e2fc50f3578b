"""Subvolumes and the subvolumes nested in them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator

from lamina.context import current
from lamina.errdefs import FailedPrecondition
from lamina.fs import opened
from lamina.plugins.snapshots.btrfs import _ioctl


class NotASubvolume(FailedPrecondition):
    """A directory is not a subvolume."""


@contextlib.contextmanager
def open_directory(path: str) -> Iterator[int]:
    """Open a directory for the duration of the block."""
    with opened(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC) as fd:
        yield fd


@contextlib.contextmanager
def open_subvolume(path: str) -> Iterator[int]:
    """Open the root directory of a subvolume for the duration of the block.

    Raises:
        NotASubvolume: The path is an ordinary directory. An ioctl would affect the subvolume that contains it.
        OSError: The directory cannot be opened.
    """
    with open_directory(path) as fd:
        if os.fstat(fd).st_ino != _ioctl.SUBVOLUME_ROOT:
            raise NotASubvolume(f"{path} is an ordinary directory, not a btrfs subvolume: was it copied?")
        yield fd


def is_subvolume(path: str) -> bool:
    """Return whether a path is that of a subvolume."""
    try:
        with open_subvolume(path):
            return True
    except (FileNotFoundError, NotADirectoryError, NotASubvolume):
        return False


def children(directory: int, id_: int) -> list[int]:
    """Return the ids of the subvolumes directly inside a subvolume."""
    return [ref.id for ref in _ioctl.root_refs(directory, id_)]


def nested_paths(directory: int, id_: int) -> Iterator[str]:
    """Yield the paths of all nested subvolumes below the root of a subvolume, each before those inside it.

    Raises:
        OSError: The subvolumes cannot be listed.
    """
    pending = [(id_, "")]
    while pending:
        current().check()
        outer, path = pending.pop()
        for ref in _ioctl.root_refs(directory, outer):
            inner = f"{path}{_parent(directory, outer, ref)}{ref.name}"
            yield inner
            pending.append((ref.id, f"{inner}/"))


def _parent(directory: int, outer: int, ref: _ioctl.RootRef) -> str:
    try:
        return _ioctl.directory_path(directory, outer, ref.directory)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return "…/"


def delete_nested(directory: int, id_: int, make_writable: Callable[[int], None]) -> None:
    """Delete a subvolume and all nested ones, innermost first. A missing subvolume is not an error.

    Args:
        directory: A descriptor of any directory of the file system.
        id_: The id of the subvolume.
        make_writable: Clears the read-only flag of a subvolume by its id. Subvolumes inside a read-only one cannot
            be deleted.

    Raises:
        OSError: A subvolume cannot be deleted. Those inside it are gone.
        Canceled: The call was cancelled. Some subvolumes may be gone, as after any other error.
    """
    pending = [(0, id_)]  # (outer, inner)
    while pending:
        current().check()
        outer, inner = pending[-1]
        if nested := children(directory, inner):
            pending += [(inner, child) for child in nested]
            continue
        try:
            _ioctl.destroy_subvolume(directory, inner)
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:  # another one was created inside meanwhile
                continue
            if error.errno == errno.EROFS and outer:
                make_writable(outer)
                continue
            if error.errno != errno.ENOENT:
                raise
        pending.pop()
