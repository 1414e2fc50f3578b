"""Copies from the parent to the upper directory of an overlay."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

import attrs

from lamina.context import current
from lamina.fs import DataCopier, XattrCopier, open_beneath, opened, remove_acls, xattr_names
from lamina.layers.applying._directory import Directory
from lamina.layers.applying._overlay import XATTRS, is_whiteout

if TYPE_CHECKING:
    from lamina.layers.applying._tree import Tree

_PATH: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PREFIXES: Final = tuple(map(os.fsdecode, XATTRS))


@attrs.define(eq=False, repr=False)
class CopyUp:
    """Copies files and attributes. A file of the parent is copied once, however many of its names are needed."""

    _copies: dict[tuple[int, int], bytes] = attrs.field(factory=dict)
    """The paths of copies of files with several names, by device and inode number in the parent."""
    _xattrs: XattrCopier = attrs.field(factory=XattrCopier)

    def copy(self, tree: Tree, lower: int, name: bytes, parent: Directory) -> os.stat_result | None:
        """Copy a file other than a directory, if there is one.

        Args:
            tree: The upper directory.
            lower: The descriptor of the directory in the parent.
            name: The file's name.
            parent: The same directory in the upper one.

        Returns:
            Its status in the parent; None if there is none.

        Raises:
            IsADirectoryError: It is a directory.
            OSError: It cannot be copied.
        """
        try:
            source = open_beneath(name, _PATH, dir_fd=lower)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(source)
            if is_whiteout(status):
                return None
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
            parent.is_changed = True
            if status.st_nlink == 1 or not self._link(tree, status, name, parent):
                self._copy(source, status, name, parent)
            return status
        finally:
            os.close(source)

    def copy_attributes(self, source: int, status: os.stat_result, target: int | str) -> None:
        """Copy owner, extended attributes, mode and times of a file.

        Args:
            source: The file's descriptor, opened with O_PATH.
            status: Its status.
            target: The descriptor of the other file, or its path in proc(5).

        Raises:
            OSError: An attribute cannot be read or set.
        """
        path = f"/proc/self/fd/{source}"  # the xattr calls reject O_PATH descriptors
        os.chown(target, status.st_uid, status.st_gid)
        names = [name for name in xattr_names(path) if not name.startswith(_PREFIXES)]
        self._xattrs.copy(path, target, names)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(target, stat.S_IMODE(status.st_mode))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    def forget(self, path: bytes) -> None:
        """Note that the upper directory no longer has copies at and below a path."""
        prefix = path + b"/"
        for key in [key for key, copy in self._copies.items() if copy == path or copy.startswith(prefix)]:
            del self._copies[key]

    def _copy(self, source: int, status: os.stat_result, name: bytes, parent: Directory) -> None:
        if stat.S_ISREG(status.st_mode):
            with (
                opened(f"/proc/self/fd/{source}", os.O_RDONLY | os.O_CLOEXEC) as data,
                opened(name, _CREATE, 0o600, dir_fd=parent.fd) as target,
            ):
                DataCopier(current().check).copy(data, target, status)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(b"", dir_fd=source), name, dir_fd=parent.fd)
        else:
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=parent.fd)
        with opened(name, _PATH, dir_fd=parent.fd) as target:
            path = f"/proc/self/fd/{target}"
            if parent.has_default_acl and not stat.S_ISLNK(status.st_mode):
                remove_acls(path)
            self.copy_attributes(source, status, path)
            if status.st_nlink > 1:
                self._copies[status.st_dev, status.st_ino] = parent.below(name)

    def _link(self, tree: Tree, status: os.stat_result, name: bytes, parent: Directory) -> bool:
        """Link to an earlier copy of the file; return False if there is none."""
        path = self._copies.get((status.st_dev, status.st_ino))
        if path is None:
            return False
        directory, _, copy = path.rpartition(b"/")
        source = tree.look_up(directory).fd
        os.link(copy, name, src_dir_fd=source, dst_dir_fd=parent.fd, follow_symlinks=False)
        return True
