"""What stands in a layer for that which is deleted of the layers below it.

A whiteout is a character device 0:0, and an opaque directory has an extended attribute (overlayfs.rst, "whiteouts
and opaque directories").
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from typing import Final

import attrs

TRUSTED: Final = "trusted.overlay."
"""Begins the names of the attributes that overlayfs keeps for itself. containerd's unpacker sets no others."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NONE: Final = frozenset({errno.ENODATA, errno.EOPNOTSUPP})


def is_whiteout(status: os.stat_result) -> bool:
    """Whether a file is a whiteout."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


@attrs.frozen
class RemovedMarks:
    """Takes all marks out of a layer that has none below it, as a `lamina.fs.TreeVisitor`.

    A bind mount of the layer would show them. The directories' times stay.
    """

    own: str
    """Begins the names of overlayfs's attributes, as it is mounted here."""

    def visit_directory(self, fd: int) -> None:
        """Take away the mark of an opaque directory."""
        for prefix in {self.own, TRUSTED}:
            if _is_set(fd, f"{prefix}opaque"):
                os.removexattr(fd, f"{prefix}opaque")

    def visit_entry(self, directory: int, name: str, status: os.stat_result) -> bool:
        """Remove a whiteout."""
        if not is_whiteout(status):
            return False
        before = os.fstat(directory)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
        return True


@attrs.frozen
class RenamedMarks:
    """Names the attribute of opaque directories as overlayfs reads it where it is mounted with `userxattr`.

    containerd's name for it is always the other one.
    """

    own: str
    """As of `RemovedMarks`."""

    def visit_directory(self, fd: int) -> None:
        """Rename the attribute of an opaque directory."""
        if _is_set(fd, f"{TRUSTED}opaque"):
            os.setxattr(fd, f"{self.own}opaque", b"y")
            os.removexattr(fd, f"{TRUSTED}opaque")

    def visit_entry(self, directory: int, name: str, status: os.stat_result) -> bool:
        """Leave every entry."""
        return False


def hide_below(root: str, below: Iterable[str], own: str) -> None:
    """Have a layer hide all that is below it, if its root directory is marked as opaque.

    overlayfs takes no notice of the mark there. So each name that is below gets a whiteout, or, where there is a
    directory of that name in the layer, that gets the mark.

    Args:
        root: The root directory of the layer.
        below: Those of the layers below.
        own: As of `RemovedMarks`.

    Raises:
        OSError: That failed. The mark stays, so that it can be done again.
    """
    fd = os.open(root, _DIRECTORY)
    try:
        marks = [f"{prefix}opaque" for prefix in {own, TRUSTED} if _is_set(fd, f"{prefix}opaque")]
        if not marks:
            return
        before = os.fstat(fd)
        for name in {name for layer in below for name in os.listdir(layer)}:
            _hide(fd, name, f"{own}opaque")
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
        for mark in marks:
            os.removexattr(fd, mark)
    finally:
        os.close(fd)


def _hide(root: int, name: str, mark: str) -> None:
    """Hide a name of the layers below, where it is not hidden by a file."""
    try:
        os.mknod(name, stat.S_IFCHR, dir_fd=root)
    except FileExistsError:
        with contextlib.suppress(NotADirectoryError):
            fd = os.open(name, _DIRECTORY, dir_fd=root)
            try:
                os.setxattr(fd, mark, b"y")
            finally:
                os.close(fd)


def _is_set(fd: int, name: str) -> bool:
    try:
        os.getxattr(fd, name)
    except OSError as error:
        if error.errno in _NONE:
            return False
        raise
    return True
