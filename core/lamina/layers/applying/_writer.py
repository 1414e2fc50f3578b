"""The files that the entries of a layer describe."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs

from lamina.errdefs import Aborted, InvalidArgument
from lamina.fs import opened
from lamina.layers._entry import Entry, EntryType
from lamina.layers.applying._attributes import Attributes
from lamina.layers.applying._directory import Directory
from lamina.layers.applying._errors import bad_target
from lamina.layers.applying._paths import shown, split
from lamina.layers.applying._tree import Tree
from lamina.layers.tar import TarReader

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = EntryType.FILE  # looked up once, since that takes longer than for other classes
_DIRECTORY: Final = EntryType.DIRECTORY
_HARD_LINK: Final = EntryType.HARD_LINK
_CHARACTER_DEVICE: Final = EntryType.CHARACTER_DEVICE
_TYPES: Final = {
    EntryType.SYMLINK: stat.S_IFLNK,
    EntryType.CHARACTER_DEVICE: stat.S_IFCHR,
    EntryType.BLOCK_DEVICE: stat.S_IFBLK,
    EntryType.FIFO: stat.S_IFIFO,
}


@attrs.define(eq=False, repr=False)
class EntryWriter:
    """Makes files in a tree. What has the name of an entry is replaced, unless both are directories."""

    tree: Tree
    reader: TarReader
    _unset: int
    """The bits of a mode that new files do not get when they are made: those of the umask, and special ones."""
    root: tuple[int, int, int] | None = None
    """As `Applied.root`."""
    _attributes: Attributes = attrs.field(factory=Attributes)

    def write(self, entry: Entry) -> None:
        """Make the file of an entry.

        Raises:
            InvalidArgument: The entry makes no sense in the tree, or the archive is malformed.
            Aborted: Another process keeps making files of the name.
            OSError: A system call failed.
        """
        if entry.xattrs or entry.type is _CHARACTER_DEVICE:
            self.tree.check(entry)
        path, name = split(entry.name)
        directory = self.tree.directory(path, entry.mtime)
        type_ = entry.type
        if type_ is _FILE and name:
            self._write_file(entry, directory, name)
        elif type_ is _DIRECTORY:
            self._write_directory(entry, directory, name)
        elif not name:
            raise InvalidArgument(
                f"apply the layer: {shown(entry.name)} is the root of the tree, but a {type_.value}"
            )
        elif type_ is _HARD_LINK:
            self._link(entry, directory, name)
        else:
            self._write_special(entry, directory, name)
        if name:
            self.tree.note_unpacked(directory, name)

    def _write_file(self, entry: Entry, directory: Directory, name: bytes) -> None:
        mode = entry.mode & 0o777
        directory.is_changed = True
        try:
            fd = os.open(name, _CREATE, mode, dir_fd=directory.fd)
        except FileExistsError:
            fd = self.tree.replace(directory, name, partial(os.open, name, _CREATE, mode, dir_fd=directory.fd))
        try:
            if entry.size:
                self.reader.copy_to(fd)
            if directory.uid < 0:
                _learn_owner(directory, os.fstat(fd))
            # Nearly always only the times are not right yet; this is asked here because calls take time.
            if (
                directory.uid != entry.uid
                or directory.gid != entry.gid
                or entry.mode & self._unset
                or entry.xattrs
                or directory.has_default_acl
            ):
                owner = directory.uid, directory.gid
                self._attributes.set(fd, entry, owner, mode & ~self._unset, has_acl=directory.has_default_acl)
            else:
                os.utime(fd, ns=(entry.mtime if entry.atime is None else entry.atime, entry.mtime))
        finally:
            os.close(fd)

    def _write_directory(self, entry: Entry, parent: Directory, name: bytes) -> None:
        if not name:
            self._attributes.set_directory(self.tree.root, entry, is_new=False)
            self.root = entry.mode, entry.uid, entry.gid
            return
        directory, is_new = self.tree.make(parent, name, entry.mode & 0o777)
        self._attributes.set_directory(directory, entry, is_new=is_new)

    def _write_special(self, entry: Entry, directory: Directory, name: bytes) -> None:
        """Make a file that has no data: a symbolic link, a device or a FIFO."""
        directory.is_changed = True
        make = self._maker(entry, directory, name)
        try:
            make()
        except FileExistsError:
            self.tree.replace(directory, name, make)
        with opened(name, _PATH, dir_fd=directory.fd) as fd:
            status = os.fstat(fd)
            if stat.S_IFMT(status.st_mode) != _TYPES[entry.type]:
                raise Aborted(
                    f"apply the layer: {shown(entry.name)} was replaced by another process; stop it, and try again"
                )
            has_acl = directory.has_default_acl and entry.type is not EntryType.SYMLINK
            owner = status.st_uid, status.st_gid
            self._attributes.set(f"/proc/self/fd/{fd}", entry, owner, status.st_mode & 0o7777, has_acl=has_acl)

    def _maker(self, entry: Entry, directory: Directory, name: bytes) -> Callable[[], None]:
        if entry.type is EntryType.SYMLINK:
            if not entry.link:
                raise InvalidArgument(f"apply the layer: {shown(entry.name)} is a symbolic link to nothing")
            return partial(os.symlink, entry.link, name, dir_fd=directory.fd)
        mode = _TYPES[entry.type] | entry.mode & 0o777
        return partial(os.mknod, name, mode, entry.device, dir_fd=directory.fd)

    def _link(self, entry: Entry, directory: Directory, name: bytes) -> None:
        """Make a hard link. It has the attributes of its target, whatever the entry says."""
        path, target = split(entry.link)
        with self.tree.holding(directory):
            source = self.tree.look_up(path, entry.mtime)
            with self.tree.holding(source):
                self._check_target(entry, source, target)
                if (source.path + b"/").startswith(directory.below(name) + b"/"):
                    raise bad_target(entry, "which lies below it")
                if (source, target) != (directory, name):
                    self._link_from(source, target, directory, name)

    def _check_target(self, entry: Entry, source: Directory, target: bytes) -> None:
        """Bring the target of a hard link into the tree; refuse one that is missing or a directory."""
        try:
            self.tree.find(source, target)
            status = os.stat(target or b".", dir_fd=source.fd, follow_symlinks=False)
        except FileNotFoundError as error:
            raise bad_target(entry, "which does not exist") from error
        except IsADirectoryError as error:
            raise bad_target(entry, "which is a directory") from error
        if stat.S_ISDIR(status.st_mode):
            raise bad_target(entry, "which is a directory")

    def _link_from(self, source: Directory, target: bytes, directory: Directory, name: bytes) -> None:
        directory.is_changed = True
        fds = source.fd, directory.fd
        make = partial(os.link, target, name, src_dir_fd=fds[0], dst_dir_fd=fds[1], follow_symlinks=False)
        try:
            make()
        except FileExistsError:
            self.tree.replace(directory, name, make)


def _learn_owner(directory: Directory, status: os.stat_result) -> None:
    directory.uid, directory.gid = status.st_uid, status.st_gid
