"""How much disk space a tree takes up."""

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
"""So many files are soon measured."""


class TreeVisitor(Protocol):
    """What is taken out of trees while they are measured."""

    def visit_directory(self, fd: int, /) -> None:
        """Look at a directory, a root or one below it, before its entries are read."""

    def visit_entry(self, directory: int, name: str, status: os.stat_result, /) -> bool:
        """Remove an entry of a directory, or leave it; return whether it was removed, and so does not count."""


def disk_usage(*roots: str, visitor: TreeVisitor | None = None) -> tuple[int, int]:
    """What trees take up: bytes allocated, and inodes.

    The roots themselves count, directories too. An inode with several names counts once, also across roots.
    Links are not followed. What vanishes meanwhile does not count, or does; it is no error.

    Args:
        roots: Paths of directories or of anything else.
        visitor: What to take out meanwhile.

    Returns:
        Bytes on disk (so holes cost nothing), and the number of inodes.

    Raises:
        NotFound: A root does not exist.
        PermissionDenied: A directory cannot be read.
        Aborted: A directory was moved to another place while the walk was below it.
        Error: `visitor` failed.
        Canceled: The call is no longer wanted.
        DeadlineExceeded: The call's deadline has passed.
    """
    usage = _Usage(visitor)
    trees = [root for root in roots if usage.add_root(root)]
    for tree in trees:
        try:
            usage.add_tree(tree)
        except OSError as error:
            # What was asked of an open directory names no path.
            shown = error.filename if isinstance(error.filename, str) else tree
            raise from_os_error(OSError(error.errno, error.strerror, shown), "measure a tree") from error
    return usage.blocks * _BLOCK, usage.inodes


def holds_at_most(path: str, files: int = FEW) -> bool:
    """Whether a directory holds at most so many files, and no directory: whether a walk of it is soon done.

    False also where it cannot be read: the walk says why.
    """
    try:
        with os.scandir(path) as entries:
            for number, entry in enumerate(entries):
                if number == files or entry.is_dir(follow_symlinks=False):
                    return False
    except OSError:
        return False
    return True


class _Usage:
    """The sum so far."""

    def __init__(self, visitor: TreeVisitor | None) -> None:
        self._visitor = visitor
        self.blocks = 0
        self.inodes = 0
        self._check = current().check
        self._seen: set[tuple[int, int]] = set()

    def add_root(self, root: str) -> bool:
        """Count a root; return whether there is a tree below it that was not met before."""
        try:
            status = os.lstat(root)
        except OSError as error:
            raise from_os_error(error, "measure a tree") from error
        is_new = self._add(status)
        self._seen.add((status.st_dev, status.st_ino))
        return is_new and stat.S_ISDIR(status.st_mode)

    def add_tree(self, root: str) -> None:
        """Count what is below a root."""
        with TreeCursor(root) as cursor:
            pending = [self._add_entries(cursor.fd)]
            while pending:
                if pending[-1]:
                    if cursor.enter_if_there(pending[-1].pop()):
                        pending.append(self._add_entries(cursor.fd))
                    continue
                pending.pop()
                if pending:
                    cursor.leave()

    def _add_entries(self, directory: int) -> list[str]:
        """Count what is in a directory; return the names of the directories to go on with."""
        below: list[str] = []
        visitor = self._visitor
        if visitor is not None:
            visitor.visit_directory(directory)
        with os.scandir(directory) as entries:
            for entry in entries:
                self._check()
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if visitor is not None and visitor.visit_entry(directory, entry.name, status):
                    continue
                is_new = self._add(status)
                if is_new and entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
        return below

    def _add(self, status: os.stat_result) -> bool:
        """Count an inode, and return True, unless it was counted before."""
        identity = status.st_dev, status.st_ino
        if identity in self._seen:
            return False
        # A file with one name is met once, since no directory is read twice: no need to remember it.
        if status.st_nlink > 1 or stat.S_ISDIR(status.st_mode):
            self._seen.add(identity)
        self.blocks += status.st_blocks
        self.inodes += 1
        return True
