"""The marks of overlayfs (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories")."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from lamina.errdefs import translated
from lamina.fs import open_beneath, read_xattr
from lamina.layers.applying._walk import walk

XATTRS: Final = (b"trusted.overlay.", b"user.overlay.")
"""The prefixes of the extended attributes that overlayfs keeps for itself."""
MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""Errors of open(2) that mean that a path leads to no directory."""
_PATH_DIRECTORY: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPAQUE: Final = "trusted.overlay.opaque"
_YES: Final = b"y"


def is_whiteout(status: os.stat_result) -> bool:
    """Return whether a file in an upper directory says that the layers below have none of its name."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def make_opaque(fd: int) -> None:
    """Mark a directory: nothing of the layers below shows through it."""
    os.setxattr(fd, _OPAQUE, _YES)


def is_opaque(fd: int) -> bool:
    """Return whether a directory has that mark."""
    return read_xattr(fd, _OPAQUE) == _YES


def has_name(fd: int, name: str | bytes) -> bool:
    """Return whether a directory has a file of a name."""
    try:
        os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def remove_whiteouts(fd: int) -> None:
    """Remove the whiteouts below a directory through which nothing shows: readdir(3) would return their names."""
    walk(fd, lambda directory, path: _remove_whiteouts(directory, None, path))


def remove_idle_whiteouts(root_fd: int, parent_fd: int) -> None:
    """Remove the whiteouts of an upper directory that hide nothing.

    An overlay shows the names of those in directories that the layers below do not have. `apply_layer` makes none,
    unless it was told nothing about the layers below: see `Applied.has_unchecked_whiteouts`.

    Args:
        root_fd: The descriptor of the upper directory, on which no overlay is mounted.
        parent_fd: The descriptor of a read-only view of the layers below.

    Raises:
        Error: As `apply_layer`.
    """
    with translated("remove whiteouts"):
        walk(root_fd, lambda directory, path: _remove_whiteouts(directory, parent_fd, path))


def _remove_whiteouts(fd: int, parent: int | None, path: Sequence[str]) -> list[str]:
    """Remove the whiteouts in a directory, and keep its times; return the names of its directories."""
    before = os.fstat(fd)
    directories, whiteouts = [], []
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            elif not entry.is_file(follow_symlinks=False) and is_whiteout(entry.stat(follow_symlinks=False)):
                whiteouts.append(entry.name)
    if whiteouts:
        with _lower(parent, path) as lower:
            for name in whiteouts:
                if lower is None or not has_name(lower, name):
                    os.unlink(name, dir_fd=fd)
        os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
    return directories


@contextmanager
def _lower(parent: int | None, path: Sequence[str]) -> Iterator[int | None]:
    """Open the directory of a path in the parent, if it is there."""
    if parent is None:
        yield None
        return
    try:
        fd = open_beneath(os.fsencode("/".join(path)) or b".", _PATH_DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno not in MISSING:
            raise
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)
