"""Copy a directory tree."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from typing import Final

import attrs

from lamina.context import CallContext, current
from lamina.errdefs import Aborted, Error, FailedPrecondition, InvalidArgument, from_os_error, translated
from lamina.fs._file_data import DataCopier
from lamina.fs._syscalls import open_within_mount
from lamina.fs._tree_cursor import TreeCursor
from lamina.fs._xattrs import XattrCopier, remove_acls

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PATH: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH_DIRECTORY: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_REPLACED: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.ENOTDIR})
"""Errors of open(2) that mean the type of an entry changed after its directory was read."""
_PRIVATE: Final = 0o700
"""The mode of a directory until it is complete, which hides files that do not have their owner yet."""
_MAX_NAMES: Final = 15
"""Names that always fit into one path: a name has up to 255 bytes, a path up to 4095 (limits.h)."""


def copy_tree(source: str, target: str) -> None:
    """Copy a directory tree with all file metadata.

    The copy preserves data and holes, and shares blocks with the source on file systems with reflinks (FICLONE).
    It preserves owners, modes, times in nanoseconds, extended attributes, access control lists, symbolic links,
    hard links, devices, FIFOs and sockets. Attributes of namespace `security` that cannot be set are skipped and
    logged. The inode flags of chattr(1) are not copied.

    The source may change meanwhile. A file that changes is copied in its old state, its new state or a mixture;
    one that vanishes may be missing from the copy.

    Args:
        source: The directory. A symbolic link is followed.
        target: The new directory.

    Raises:
        AlreadyExists: The target exists.
        NotFound: The source or the parent directory of the target does not exist.
        InvalidArgument: The target is inside the source.
        FailedPrecondition: The source is not a directory, or contains a mount point. Nothing is copied across
            mounts.
        PermissionDenied: A file cannot be read, or its owner or an attribute cannot be set.
        Unimplemented: The target's file system does not support an attribute namespace that the source uses.
        ResourceExhausted: The target's file system is full.
        Aborted: A file changed its type, or a directory was moved, during the copy.
        Canceled: The call was cancelled. A partial copy is left behind, as after any other error.
        DeadlineExceeded: The call's deadline has passed.
    """
    with translated(f"copy {source} to {target}"), ExitStack() as stack:
        source_cursor = stack.enter_context(TreeCursor(source, open_within_mount))
        os.mkdir(target, _PRIVATE)
        target_cursor = stack.enter_context(TreeCursor(target))
        root = os.dup(target_cursor.fd)
        stack.callback(os.close, root)
        _TreeCopy(f"copy {source} to {target}", source_cursor, target_cursor, root).run()


@attrs.frozen(eq=False, repr=False)
class _DirectoryCopy:
    """A directory whose copy is not complete."""

    name: str
    status: os.stat_result
    """The status of the source before its entries were read."""
    pending: list[str]
    """The subdirectories that are not copied yet."""


@attrs.define(eq=False, repr=False)
class _TreeCopy:
    """A depth-first copy. The metadata of a directory is set once its entries are copied."""

    operation: str
    source: TreeCursor
    target: TreeCursor
    root: int
    """The descriptor of the target's root directory."""
    directories: list[_DirectoryCopy] = attrs.field(factory=list)
    first: dict[tuple[int, int], tuple[str, ...]] = attrs.field(factory=dict)
    """The path of the first copy of each file with several hard links, by device and inode in the source."""
    xattrs: XattrCopier = attrs.field(factory=XattrCopier)
    context: CallContext = attrs.field(factory=current)
    data: DataCopier = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.data = DataCopier(self.context.check)

    def run(self) -> None:
        # Default ACLs inherited from the parent directory would propagate to the whole copy.
        remove_acls(self.target.fd)
        os.fchmod(self.target.fd, _PRIVATE)
        self._fill("")
        while self.directories:
            self.context.check()
            pending = self.directories[-1].pending
            if pending:
                self._enter(pending.pop())
            else:
                self._leave()

    def _enter(self, name: str) -> None:
        """Descend into a directory, unless it has vanished, and copy its entries other than directories."""
        try:
            self.source.enter(name)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            raise self._refusal(error, name) from error
        try:
            os.mkdir(name, _PRIVATE, dir_fd=self.target.fd)
            self.target.enter(name)
        except OSError as error:
            raise self._failure(error, name) from error
        self._fill(name)

    def _fill(self, name: str) -> None:
        status = os.fstat(self.source.fd)
        if os.path.samestat(status, os.fstat(self.root)):
            raise InvalidArgument(f"{self.operation}: the target is inside the source")
        directory = _DirectoryCopy(name, status, pending=[])
        self.directories.append(directory)
        with os.scandir(self.source.fd) as entries:
            for entry in entries:
                self.context.check()
                if entry.is_dir(follow_symlinks=False):
                    directory.pending.append(entry.name)
                else:
                    self._copy_entry(entry)

    def _leave(self) -> None:
        """Set the metadata of the current directory and return to its parent."""
        directory = self.directories.pop()
        try:
            self._finish(self.source.fd, self.target.fd, directory.status)
        except OSError as error:
            raise self._failure(error, "") from error
        if self.directories:
            self.source.leave()
            self.target.leave()

    def _copy_entry(self, entry: os.DirEntry[str]) -> None:
        """Copy an entry other than a directory, unless it has vanished."""
        name = entry.name
        is_file = entry.is_file(follow_symlinks=False)
        try:
            source = os.open(name, _READ if is_file else _PATH, dir_fd=self.source.fd)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            raise self._refusal(error, name) from error
        try:
            status = os.fstat(source)
            if status.st_ino != entry.inode() or status.st_dev != self.directories[-1].status.st_dev:
                self._check_mount(name)
            if stat.S_ISREG(status.st_mode) != is_file or stat.S_ISDIR(status.st_mode):
                raise self._replaced(name)
            if status.st_nlink > 1 and self._link(name, status):
                return
            if is_file:
                self._copy_file(name, source, status)
            else:
                self._copy_special(name, source, status)
        except OSError as error:
            raise self._failure(error, name) from error
        finally:
            os.close(source)

    def _check_mount(self, name: str) -> None:
        """Fail if a name is a mount point.

        The root of a mount has another inode number than its directory entry, so only names whose numbers differ
        are checked. They also differ if the name was replaced meanwhile, and for most files on some overlays.
        """
        try:
            os.close(open_within_mount(name, _PATH, dir_fd=self.source.fd))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise self._refusal(error, name) from error

    def _copy_file(self, name: str, source: int, status: os.stat_result) -> None:
        # Owner-writable, because setting `user` attributes would need privileges otherwise.
        target = os.open(name, _CREATE, status.st_mode & 0o777 | 0o600, dir_fd=self.target.fd)
        try:
            self.data.copy(source, target, status)
            self._finish(source, target, status)
        finally:
            os.close(target)

    def _finish(self, source: int, target: int, status: os.stat_result) -> None:
        """Set the owner, extended attributes, mode and times of an open file or directory.

        The order matters: chown(2) clears set-user-ID bits and capabilities, as writing does.
        """
        created = os.fstat(target)
        if created.st_uid != status.st_uid or created.st_gid != status.st_gid:
            os.fchown(target, status.st_uid, status.st_gid)
        self.xattrs.copy(source, target)
        if created.st_mode != status.st_mode:
            os.fchmod(target, stat.S_IMODE(status.st_mode))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _copy_special(self, name: str, source: int, status: os.stat_result) -> None:
        """Copy an entry whose data cannot be copied: a symbolic link, a device, a FIFO or a socket."""
        is_link = stat.S_ISLNK(status.st_mode)
        if is_link:
            os.symlink(os.readlink("", dir_fd=source), name, dir_fd=self.target.fd)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=self.target.fd)
        target = os.open(name, _PATH, dir_fd=self.target.fd)
        try:
            os.chown(name, status.st_uid, status.st_gid, dir_fd=self.target.fd, follow_symlinks=False)
            # The xattr calls reject O_PATH descriptors, but accept their links in proc(5).
            self.xattrs.copy(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}")
            if not is_link:
                os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=self.target.fd)
            times = status.st_atime_ns, status.st_mtime_ns
            os.utime(name, ns=times, dir_fd=self.target.fd, follow_symlinks=False)
        finally:
            os.close(target)

    def _link(self, name: str, status: os.stat_result) -> bool:
        """Link to an earlier copy of a file, and return whether there was one; remember the path if not."""
        path = (*(directory.name for directory in self.directories[1:]), name)
        first = self.first.setdefault((status.st_dev, status.st_ino), path)
        if first is path:
            return False
        directory = os.dup(self.root)
        try:
            while len(first) > _MAX_NAMES:
                deeper = os.open("/".join(first[:_MAX_NAMES]), _PATH_DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory, first = deeper, first[_MAX_NAMES:]
            os.link("/".join(first), name, src_dir_fd=directory, dst_dir_fd=self.target.fd, follow_symlinks=False)
        finally:
            os.close(directory)
        return True

    def _refusal(self, error: OSError, name: str) -> Error:
        """Return the error for a name in the source that cannot be opened."""
        if error.errno == errno.EXDEV:
            return FailedPrecondition(
                f"{self.operation}: {self.source.path(name)} is a mount point; unmount it first"
            )
        return self._replaced(name) if error.errno in _REPLACED else self._failure(error, name)

    def _replaced(self, name: str) -> Error:
        return Aborted(f"{self.operation}: {self.source.path(name)} was replaced during the copy; try again")

    def _failure(self, error: OSError, name: str) -> Error:
        return from_os_error(OSError(error.errno, error.strerror, self.source.path(name)), self.operation)
