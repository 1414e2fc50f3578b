"""Subvolumes and what is inside them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator

from lamina.context import current
from lamina.errdefs import FailedPrecondition
from lamina.plugins.snapshots.btrfs import _ioctl


class NotASubvolume(FailedPrecondition):
    """A directory is no subvolume."""


@contextlib.contextmanager
def open_directory(path: str) -> Iterator[int]:
    """A directory as a file descriptor, as long as the block lasts."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def open_subvolume(path: str) -> Iterator[int]:
    """The root directory of a subvolume as a file descriptor, as long as the block lasts.

    Raises:
        NotASubvolume: It is an ordinary directory. What is done to its subvolume would be done to the one around.
        OSError: It cannot be opened.
    """
    with open_directory(path) as fd:
        if os.fstat(fd).st_ino != _ioctl.SUBVOLUME_ROOT:
            raise NotASubvolume(
                f"{path} is an ordinary directory, and should be a btrfs subvolume: was it copied?"
            )
        yield fd


def subvolumes_inside(directory: int, id_: int) -> list[int]:
    """The subvolumes that lie directly in a subvolume, by id."""
    return [ref.id for ref in _ioctl.root_refs(directory, id_)]


def paths_inside(directory: int, id_: int) -> Iterator[str]:
    """The subvolumes inside a subvolume and inside those, by their paths seen from its root, outer ones first.

    Args:
        directory: Any directory of the file system.
        id_: The subvolume.

    Raises:
        OSError: They cannot be found.
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


def destroy(directory: int, id_: int, make_writable: Callable[[int], None]) -> None:
    """Delete a subvolume with all that are inside it, innermost first. One that is gone already is no error.

    Args:
        directory: Any directory of the file system.
        id_: The subvolume.
        make_writable: Clears the read-only flag of the subvolume with that id: nothing can be deleted in one that
            has it.

    Raises:
        OSError: One cannot be deleted. Those inside it are gone.
        Canceled: The call is no longer wanted. Some may be gone, as after any other error.
    """
    pending = [(0, id_)]  # each with the one that it is in
    while pending:
        current().check()
        outer, inner = pending[-1]
        if inside := subvolumes_inside(directory, inner):
            pending += [(inner, other) for other in inside]
            continue
        try:
            _ioctl.destroy_subvolume(directory, inner)
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:  # somebody has made one inside meanwhile
                continue
            if error.errno == errno.EROFS and outer:
                make_writable(outer)
                continue
            if error.errno != errno.ENOENT:
                raise
        pending.pop()
