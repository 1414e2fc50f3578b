"""Measure the disk usage of directory trees."""

from __future__ import annotations

import os
import stat
from typing import Final, Protocol

from lamina.context import current
from lamina.errdefs import from_os_error
from lamina.fs._tree_cursor import TreeCursor

_BLOCK = 512
"""The unit of `st_blocks` (inode(7))."""
FEW: Final = 16
"""The number of entries of a directory that can be measured without delay."""


class TreeVisitor(Protocol):
    """A visitor that may remove entries from trees while they are measured."""

    def visit_directory(self, fd: int, names: tuple[str, ...], /) -> None:
        """Visit a root or a directory below it, before its entries are read.

        Args:
            fd: A descriptor of the directory.
            names: The names on the way from the root to the directory.
        """

    def visit_entry(self, directory: int, name: str, status: os.stat_result, /) -> os.stat_result | None:
        """Visit an entry; return its present status, or None if it is gone and must not be counted."""


def disk_usage(*roots: str, visitor: TreeVisitor | None = None) -> tuple[int, int]:
    """Measure the disk space and the inodes of trees, including their roots.

    An inode with several hard links counts once, also across roots. Symbolic links are not followed. Entries that
    vanish meanwhile may or may not count.

    Args:
        roots: The paths of directories or other files.
        visitor: Called for each directory and entry.

    Returns:
        Allocated bytes, which exclude holes, and the number of inodes.

    Raises:
        NotFound: A root does not exist.
        PermissionDenied: A directory cannot be read.
        Aborted: A directory was moved while the walk was inside it.
        Error: The visitor failed.
        Canceled: The call was cancelled.
        DeadlineExceeded: The call's deadline has passed.
    """
    usage = _Usage(visitor)
    trees = [root for root in roots if usage.add_root(root)]
    for tree in trees:
        try:
            usage.add_tree(tree)
        except OSError as error:
            # Errors of calls on descriptors name no path.
            shown = error.filename if isinstance(error.filename, str) else tree
            raise from_os_error(OSError(error.errno, error.strerror, shown), "measure a tree") from error
    return usage.blocks * _BLOCK, usage.inodes


def quick_disk_usage(path: str) -> tuple[int, int] | None:
    """Return what `disk_usage` returns of a directory with at most `FEW` entries, none of them a directory.

    Return None for any other, or if it cannot be read: `disk_usage` reports the error.
    """
    try:
        blocks, inodes = os.lstat(path).st_blocks, 1
        with os.scandir(path) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if inodes > FEW or stat.S_ISDIR(status.st_mode) or status.st_nlink > 1:
                    return None
                blocks += status.st_blocks
                inodes += 1
    except OSError:
        return None
    return blocks * _BLOCK, inodes


def is_empty_directory(path: str) -> bool:
    """Return whether a directory has no entries; False if it cannot be read."""
    try:
        with os.scandir(path) as entries:
            return next(entries, None) is None
    except OSError:
        return False


class _Usage:
    """A running total."""

    def __init__(self, visitor: TreeVisitor | None) -> None:
        self._visitor = visitor
        self.blocks = 0
        self.inodes = 0
        self._check = current().check
        self._seen: set[tuple[int, int]] = set()

    def add_root(self, root: str) -> bool:
        """Count a root; return whether it is a directory that was not counted before."""
        try:
            status = os.lstat(root)
        except OSError as error:
            raise from_os_error(error, "measure a tree") from error
        is_new = self._add(status)
        self._seen.add((status.st_dev, status.st_ino))
        return is_new and stat.S_ISDIR(status.st_mode)

    def add_tree(self, root: str) -> None:
        """Count the entries below a root."""
        with TreeCursor(root) as cursor:
            pending = [self._add_entries(cursor)]
            while pending:
                if pending[-1]:
                    if cursor.try_enter(pending[-1].pop()):
                        pending.append(self._add_entries(cursor))
                    continue
                pending.pop()
                if pending:
                    cursor.leave()

    def _add_entries(self, cursor: TreeCursor) -> list[str]:
        """Count the entries of the current directory; return the names of the new subdirectories."""
        subdirectories: list[str] = []
        directory = cursor.fd
        visitor = self._visitor
        if visitor is not None:
            visitor.visit_directory(directory, cursor.names)
        with os.scandir(directory) as entries:
            for entry in entries:
                self._check()
                try:
                    found: os.stat_result | None = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if found is not None and visitor is not None:
                    found = visitor.visit_entry(directory, entry.name, found)
                if found is not None and self._add(found) and stat.S_ISDIR(found.st_mode):
                    subdirectories.append(entry.name)
        return subdirectories

    def _add(self, status: os.stat_result) -> bool:
        """Count an inode; return False if it was counted before."""
        identity = status.st_dev, status.st_ino
        if identity in self._seen:
            return False
        # Files with a single link are found only once, so they need no memory.
        if status.st_nlink > 1 or stat.S_ISDIR(status.st_mode):
            self._seen.add(identity)
        self.blocks += status.st_blocks
        self.inodes += 1
        return True
