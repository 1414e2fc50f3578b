"""Remove a directory tree."""

from __future__ import annotations

import errno
import os

from lamina.context import current
from lamina.errdefs import Error, FailedPrecondition, InvalidArgument, PermissionDenied, from_os_error
from lamina.fs._syscalls import open_within_mount
from lamina.fs._tree_cursor import TreeCursor

_MAX_RETRIES = 20
"""The number of times that one removal may find a directory not empty after emptying it."""


def remove_tree(path: str, *, dir_fd: int | None = None) -> None:
    """Remove a file or a directory tree. A missing path is not an error.

    The removal fails at a mount point and never crosses into another file system. Symbolic links are removed, not
    followed. Others may remove entries of the tree at the same time.

    Args:
        path: The file or directory.
        dir_fd: The descriptor of the directory that the path is relative to; the working directory by default.

    Raises:
        FailedPrecondition: The tree contains a mount point, or another process keeps writing to it.
        PermissionDenied: An entry cannot be removed. Not even root can remove immutable ones.
        Aborted: A directory was moved while the removal was inside it.
        InvalidArgument: The last component of the path is not a name, as in `/` and `.`.
        Canceled: The call was cancelled. Part of the tree may remain, as after any other error.
        DeadlineExceeded: The call's deadline has passed.
        Unimplemented: The kernel is older than Linux 5.6.
    """
    parent, name = os.path.split(path.rstrip("/"))
    if name in ("", ".", ".."):
        raise InvalidArgument(f"remove {path!r}: the path must end in the name of a file or directory")
    try:
        try:
            cursor = TreeCursor(parent or ".", open_within_mount, dir_fd=dir_fd)
        except FileNotFoundError:
            return
        with cursor:
            _Removal(path, cursor, name).run()
    except OSError as error:
        raise from_os_error(OSError(error.errno, error.strerror, path), "remove a tree") from error


class _Removal:
    """A depth-first removal."""

    def __init__(self, path: str, cursor: TreeCursor, name: str) -> None:
        self.path = path
        self.cursor = cursor
        self.pending = [[name]]
        """The names that remain to be removed in each directory from the root to the current one."""
        self.context = current()
        self.retries = 0

    def run(self) -> None:
        while self.pending:
            self.context.check()
            if not self.pending[-1]:
                self._leave()
                continue
            name = self.pending[-1].pop()
            if self._enter(name):
                self.pending.append(self._unlink_entries())
            elif not self._unlink(name):
                self._retry(name)

    def _enter(self, name: str) -> bool:
        """Descend into a directory; return False if no directory has the name."""
        try:
            return self.cursor.try_enter(name)
        except OSError as error:
            raise self._refusal(error, name) from error

    def _leave(self) -> None:
        """Return to the parent directory and remove the empty directory that was left."""
        self.pending.pop()
        if not self.pending:
            return
        name = self.cursor.leave()
        try:
            os.rmdir(name, dir_fd=self.cursor.fd)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                self._retry(name)
            elif error.errno != errno.ENOENT:
                raise self._refusal(error, name) from error

    def _unlink_entries(self) -> list[str]:
        """Unlink everything in the current directory except subdirectories; return their names."""
        directories = []
        with os.scandir(self.cursor.fd) as entries:
            for entry in entries:
                self.context.check()
                if entry.is_dir(follow_symlinks=False) or not self._unlink(entry.name):
                    directories.append(entry.name)
        return directories

    def _unlink(self, name: str) -> bool:
        """Unlink a name; return False if it is a directory."""
        try:
            os.unlink(name, dir_fd=self.cursor.fd)
        except FileNotFoundError:
            return True
        except IsADirectoryError:
            return False
        except OSError as error:
            raise self._refusal(error, name) from error
        return True

    def _retry(self, name: str) -> None:
        """Schedule a name for another removal: other processes added entries meanwhile."""
        self.retries += 1
        if self.retries > _MAX_RETRIES:
            raise FailedPrecondition(
                f"remove {self.path}: {self.cursor.path(name)} keeps filling up; stop what writes to it"
            )
        self.pending[-1].append(name)

    def _refusal(self, error: OSError, name: str) -> Error:
        shown = self.cursor.path(name)
        if error.errno in (errno.EXDEV, errno.EBUSY):
            return FailedPrecondition(f"remove {self.path}: {shown} is a mount point; unmount it first")
        if error.errno == errno.EPERM:
            return PermissionDenied(
                f"remove {self.path}: {shown}: {error.strerror}; `chattr -ia` it and its directory if immutable"
            )
        return from_os_error(OSError(error.errno, error.strerror, shown), f"remove {self.path}")
