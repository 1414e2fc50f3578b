"""Copying a tree."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from typing import Final

import attrs

from lamina.context import CallContext, current
from lamina.errdefs import Aborted, Error, FailedPrecondition, InvalidArgument, from_os_error
from lamina.fs._file_data import DataCopier
from lamina.fs._syscalls import open_within_mount
from lamina.fs._tree_cursor import TreeCursor
from lamina.fs._xattrs import XattrCopier, remove_acls

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_REACH: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_REPLACED: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.ENOTDIR})
"""What says, when a name is opened, that it is of another kind than it was when its directory was read."""
_PRIVATE: Final = 0o700
"""The mode of a directory until all is in it, so that nobody sees what does not have its owner yet."""
_NAMES: Final = 15
"""How many names make a path that is never too long: a name has up to 255 bytes, a path up to 4095 (limits.h)."""


def copy_tree(source: str, target: str) -> None:
    """Copy a directory with all that is in it, and all that makes each file what it is.

    That is: contents, with holes as holes, and shared with the source where the file system can (FICLONE);
    owners, modes, times to the nanosecond, extended attributes, access control lists; links, devices, FIFOs and
    sockets; and which names are one file. XattrCopier of namespace `security` that may not be set here are left
    out, and logged. The inode flags of chattr(1) are not copied.

    Others may change the source meanwhile. Each file is then copied in one of its states or between two, and what
    vanishes is in the copy or is not.

    Args:
        source: A directory. A link there is followed.
        target: Where the copy will be. Nothing may be there yet.

    Raises:
        AlreadyExists: There is something at the target.
        NotFound: The source, or the directory that the target is to be in, does not exist.
        InvalidArgument: The target is in the source.
        FailedPrecondition: There is a mount point in the source: nothing is copied out of another mount. Or
            the source is no directory.
        PermissionDenied: Something may not be read, or not be given to its owner, or an attribute not be set.
        Unimplemented: The target's file system has no attributes of a namespace that is used in the source.
        ResourceExhausted: The target's file system is full.
        Aborted: A file became one of another kind, or a directory was moved, while it was copied.
        Canceled: The call is no longer wanted. Part of the copy is there, as after any other error.
        DeadlineExceeded: The call's deadline has passed.
    """
    try:
        with ExitStack() as opened:
            above = opened.enter_context(TreeCursor(source, open_within_mount))
            os.mkdir(target, _PRIVATE)
            below = opened.enter_context(TreeCursor(target))
            root = os.dup(below.fd)
            opened.callback(os.close, root)
            _Copy(f"copy {source} to {target}", above, below, root).run()
    except OSError as error:
        raise from_os_error(error, f"copy {source} to {target}") from error


@attrs.frozen
class _Level:
    """A directory that is being copied."""

    name: str
    status: os.stat_result
    """That of the source, from before it was read."""
    below: list[str]
    """The directories in it that are still to be copied."""


@attrs.define
class _Copy:
    """A copy on its way through two trees. A directory is given what makes it what it is when all is in it."""

    asked: str
    source: TreeCursor
    target: TreeCursor
    root: int
    """The target's root directory."""
    levels: list[_Level] = attrs.field(factory=list)
    first: dict[tuple[int, int], tuple[str, ...]] = attrs.field(factory=dict)
    """Where in the target the files are that have further names, by device and inode in the source."""
    attributes: XattrCopier = attrs.field(factory=XattrCopier)
    context: CallContext = attrs.field(factory=current)
    contents: DataCopier = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.contents = DataCopier(self.context.check)

    def run(self) -> None:
        # What the root got from the directory that it is in would go on to everything below.
        remove_acls(self.target.fd)
        os.fchmod(self.target.fd, _PRIVATE)
        self._fill("")
        while self.levels:
            self.context.check()
            below = self.levels[-1].below
            if below:
                self._enter(below.pop())
            else:
                self._leave()

    def _enter(self, name: str) -> None:
        """Go down into a directory, unless it has vanished, and copy what is in it but directories."""
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
            raise InvalidArgument(f"{self.asked}: the target is in the source")
        level = _Level(name, status, below=[])
        self.levels.append(level)
        with os.scandir(self.source.fd) as entries:
            for entry in entries:
                self.context.check()
                if entry.is_dir(follow_symlinks=False):
                    level.below.append(entry.name)
                else:
                    self._copy_entry(entry)

    def _leave(self) -> None:
        """Give the directory at hand what makes it what it is, and go back up."""
        level = self.levels.pop()
        try:
            self._finish(self.source.fd, self.target.fd, level.status)
        except OSError as error:
            raise self._failure(error, "") from error
        if self.levels:
            self.source.leave()
            self.target.leave()

    def _copy_entry(self, entry: os.DirEntry[str]) -> None:
        """Copy anything but a directory, unless it has vanished."""
        name = entry.name
        is_file = entry.is_file(follow_symlinks=False)
        try:
            source = os.open(name, _READ if is_file else _LOOK, dir_fd=self.source.fd)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            raise self._refusal(error, name) from error
        try:
            status = os.fstat(source)
            if status.st_ino != entry.inode() or status.st_dev != self.levels[-1].status.st_dev:
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
        """Make sure that a name is no mount point.

        What is mounted is another inode than the one in the directory. So this is asked where they differ only;
        they also do where the name has been given to another file, and for most files of some overlays.
        """
        try:
            os.close(open_within_mount(name, _LOOK, dir_fd=self.source.fd))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise self._refusal(error, name) from error

    def _copy_file(self, name: str, source: int, status: os.stat_result) -> None:
        # Its owner may write to it, or setting attributes of namespace `user` would take privileges.
        target = os.open(name, _CREATE, status.st_mode & 0o777 | 0o600, dir_fd=self.target.fd)
        try:
            self.contents.copy(source, target, status)
            self._finish(source, target, status)
        finally:
            os.close(target)

    def _finish(self, source: int, target: int, status: os.stat_result) -> None:
        """Give an open file or directory its owner, attributes, mode and times, where it does not have them.

        In this order: chown(2) takes away set-user-ID bits and capabilities, as writing does.
        """
        made = os.fstat(target)
        if made.st_uid != status.st_uid or made.st_gid != status.st_gid:
            os.fchown(target, status.st_uid, status.st_gid)
        self.attributes.copy(source, target)
        if made.st_mode != status.st_mode:
            os.fchmod(target, stat.S_IMODE(status.st_mode))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _copy_special(self, name: str, source: int, status: os.stat_result) -> None:
        """Copy what cannot be opened: a link, a device, a FIFO or a socket."""
        is_link = stat.S_ISLNK(status.st_mode)
        if is_link:
            os.symlink(os.readlink("", dir_fd=source), name, dir_fd=self.target.fd)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=self.target.fd)
        target = os.open(name, _LOOK, dir_fd=self.target.fd)
        try:
            os.chown(name, status.st_uid, status.st_gid, dir_fd=self.target.fd, follow_symlinks=False)
            # The calls for attributes do not take an O_PATH file descriptor, but its link in proc(5).
            self.attributes.copy(f"/proc/self/fd/{source}", f"/proc/self/fd/{target}")
            if not is_link:
                os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=self.target.fd)
            times = status.st_atime_ns, status.st_mtime_ns
            os.utime(name, ns=times, dir_fd=self.target.fd, follow_symlinks=False)
        finally:
            os.close(target)

    def _link(self, name: str, status: os.stat_result) -> bool:
        """Make a name for a file that was copied before; if it was not, remember that it is copied now."""
        here = (*(level.name for level in self.levels[1:]), name)
        first = self.first.setdefault((status.st_dev, status.st_ino), here)
        if first is here:
            return False
        directory = os.dup(self.root)
        try:
            while len(first) > _NAMES:
                nearer = os.open("/".join(first[:_NAMES]), _REACH, dir_fd=directory)
                os.close(directory)
                directory, first = nearer, first[_NAMES:]
            os.link("/".join(first), name, src_dir_fd=directory, dst_dir_fd=self.target.fd, follow_symlinks=False)
        finally:
            os.close(directory)
        return True

    def _refusal(self, error: OSError, name: str) -> Error:
        """The error to raise where a name in the source cannot be opened."""
        if error.errno == errno.EXDEV:
            return FailedPrecondition(f"{self.asked}: {self.source.path(name)} is a mount point; unmount it first")
        return self._replaced(name) if error.errno in _REPLACED else self._failure(error, name)

    def _replaced(self, name: str) -> Error:
        return Aborted(f"{self.asked}: {self.source.path(name)} was replaced meanwhile; try again")

    def _failure(self, error: OSError, name: str) -> Error:
        return from_os_error(OSError(error.errno, error.strerror, self.source.path(name)), self.asked)
