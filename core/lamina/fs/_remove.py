"""Removing a tree."""

from __future__ import annotations

import errno
import os

import attrs

from lamina.context import CallContext, current
from lamina.errdefs import Error, FailedPrecondition, InvalidArgument, PermissionDenied, from_os_error
from lamina.fs._syscalls import open_within_mount
from lamina.fs._tree_cursor import TreeCursor

_REVISITS = 20
"""How often a directory may turn out not to be empty after all, over one removal."""


def remove_tree(path: str) -> None:
    """Remove a file or a directory with all that is in it. A path that does not exist is no error.

    Never removes anything of another file system: where a mount point is met, the removal ends there. Links
    are removed, not followed. Others may remove from the tree at the same time.

    Args:
        path: What to remove.

    Raises:
        FailedPrecondition: There is a mount point in the tree, or somebody goes on writing to it.
        PermissionDenied: Something may not be removed; where it is immutable, not even by root.
        Aborted: A directory was moved to another place while the removal was below it.
        InvalidArgument: The path ends in no name, as `/` and `.` do.
        Canceled: The call is no longer wanted. Part of the tree may be left, as after any other error.
        DeadlineExceeded: The call's deadline has passed.
        Unimplemented: Linux is older than 5.6.
    """
    parent, name = os.path.split(path.rstrip("/"))
    if name in ("", ".", ".."):
        raise InvalidArgument(f"remove {path!r}: it has to end in the name of what is to be removed")
    try:
        try:
            cursor = TreeCursor(parent or ".", open_within_mount)
        except FileNotFoundError:
            return
        with cursor:
            _Removal(path, cursor, pending=[[name]]).run()
    except OSError as error:
        raise from_os_error(OSError(error.errno, error.strerror, path), "remove a tree") from error


@attrs.define
class _Removal:
    """A removal on its way through the tree, directories from the bottom up."""

    path: str
    cursor: TreeCursor
    pending: list[list[str]]
    """For each level of the cursor, the names that are still to be removed there."""
    context: CallContext = attrs.field(factory=current)
    revisits: int = 0

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
                self._revisit(name)

    def _enter(self, name: str) -> bool:
        """Go down into a directory; return False where there is none, or none any more."""
        try:
            return self.cursor.enter_if_there(name)
        except OSError as error:
            raise self._refusal(error, name) from error

    def _leave(self) -> None:
        """Go back up, and remove the directory that was left."""
        self.pending.pop()
        if not self.pending:
            return
        name = self.cursor.leave()
        try:
            os.rmdir(name, dir_fd=self.cursor.fd)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                self._revisit(name)
            elif error.errno != errno.ENOENT:
                raise self._refusal(error, name) from error

    def _unlink_entries(self) -> list[str]:
        """Remove everything in the directory at hand but directories; return the names of those."""
        directories = []
        with os.scandir(self.cursor.fd) as entries:
            for entry in entries:
                self.context.check()
                if entry.is_dir(follow_symlinks=False) or not self._unlink(entry.name):
                    directories.append(entry.name)
        return directories

    def _unlink(self, name: str) -> bool:
        """Remove a name; return False where it is a directory."""
        try:
            os.unlink(name, dir_fd=self.cursor.fd)
        except FileNotFoundError:
            return True
        except IsADirectoryError:
            return False
        except OSError as error:
            raise self._refusal(error, name) from error
        return True

    def _revisit(self, name: str) -> None:
        """Remove a name again: others have put something there meanwhile."""
        self.revisits += 1
        if self.revisits > _REVISITS:
            raise FailedPrecondition(
                f"remove {self.path}: {self.cursor.path(name)} fills again and again; stop what writes to it"
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
