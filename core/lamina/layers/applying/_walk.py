"""Walk a tree beneath a descriptor."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from lamina.context import current
from lamina.fs import TreeCursor, open_within_mount, remove_tree


def walk(fd: int, visit: Callable[[int, Sequence[str]], list[str]]) -> None:
    """Visit a directory and all below it. Symbolic links and mount points are not followed.

    Args:
        fd: The descriptor of the directory.
        visit: Called for each one, before those below it, with its descriptor and the names that lead to it.
            Returns the names of the directories in it to visit.

    Raises:
        Aborted: A directory was moved meanwhile.
        Canceled, DeadlineExceeded: The current call ended.
        OSError: A directory cannot be opened.
        Exception: Any exception of `visit`.
    """
    check = current().check
    with TreeCursor(".", open_within_mount, dir_fd=fd) as cursor:
        path: list[str] = []
        pending = [visit(cursor.fd, path)]
        while pending:
            check()
            if not pending[-1]:
                pending.pop()
                if pending:
                    path.pop()
                    cursor.leave()
            elif cursor.try_enter(name := pending[-1].pop()):
                path.append(name)
                pending.append(visit(cursor.fd, path))


def remove_entries(fd: int, is_removed: Callable[[int, bytes], bool]) -> list[str]:
    """Remove some entries of a directory, and keep its times; return the names of the directories left in it.

    Args:
        fd: The descriptor of the directory.
        is_removed: Returns whether to remove an entry, given the inode number of the directory and the name in it.
    """
    status = os.fstat(fd)
    directories = []
    with os.scandir(fd) as entries:
        for entry in entries:
            is_directory = entry.is_dir(follow_symlinks=False)
            if is_removed(status.st_ino, os.fsencode(entry.name)):
                remove_tree(entry.name, dir_fd=fd) if is_directory else os.unlink(entry.name, dir_fd=fd)
            elif is_directory:
                directories.append(entry.name)
    os.utime(fd, ns=(status.st_atime_ns, status.st_mtime_ns))
    return directories
