"""The upper directory of an overlay: it has the files of a layer, and marks of the names that the layer deletes.

Everything else is looked up in the parent, a read-only view of the layers below: directories that
the archive only implies, symbolic links on the way to an entry, targets of hard links.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

import attrs

from lamina.errdefs import InvalidArgument
from lamina.fs import open_beneath, opened
from lamina.layers._entry import Entry, EntryType
from lamina.layers.applying._applied import ParentNeeded
from lamina.layers.applying._copy_up import CopyUp
from lamina.layers.applying._directory import NONE, Directory, has_default_acl
from lamina.layers.applying._errors import not_a_directory
from lamina.layers.applying._link_groups import LinkGroups, is_hidden
from lamina.layers.applying._overlay import (
    MISSING,
    XATTRS,
    has_name,
    is_opaque,
    is_whiteout,
    make_opaque,
    remove_whiteouts,
)
from lamina.layers.applying._paths import shown, split
from lamina.layers.applying._tree import Tree
from lamina.layers.applying._walk import remove_entries, walk

_PATH: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_PATH_DIRECTORY: Final = _PATH | os.O_DIRECTORY


@attrs.define(eq=False, repr=False)
class UpperTree(Tree):
    """An upper directory that no overlay is mounted on."""

    parent: int | None = None
    """The descriptor of the parent's root, or None if the caller has not said what it is."""
    has_unchecked_whiteouts: bool = False
    """True if it has whiteouts that may hide nothing."""
    _copies: CopyUp = attrs.field(factory=CopyUp)
    _copied: set[int] = attrs.field(factory=set)
    """Names that the parent has and the layer does not unpack, of copies and of directories that lead to some, as
    hashes: those of the directory's inode number and the name."""
    _groups: LinkGroups | None = None

    def check(self, entry: Entry) -> None:
        """Refuse what overlayfs would take for marks of its own."""
        for name in entry.xattrs:
            if name.startswith(XATTRS):
                raise InvalidArgument(
                    f"apply the layer: {shown(entry.name)} has the attribute {shown(name)}, which overlayfs keeps "
                    "for itself; make the layer without it"
                )
        if entry.type is EntryType.CHARACTER_DEVICE and entry.device == 0:
            raise InvalidArgument(
                f"apply the layer: {shown(entry.name)} is a character device with the number 0:0, which overlayfs "
                "reads as a deletion; make the layer with a name that starts with .wh. instead"
            )

    def remove(self, parent: Directory, name: bytes) -> None:
        """Remove a file or a directory tree of the upper directory."""
        self._copies.forget(parent.below(name))
        super().remove(parent, name)

    def note_unpacked(self, parent: Directory, name: bytes) -> None:
        """Note a name as unpacked: it is no longer a copy, and hides that of the parent."""
        if self._lookups.links:
            self._lookups.hide(parent.below(name))
        if self._copied:
            self._copied.discard(hash((parent.inode, name)))

    def delete(self, parent: Directory, name: bytes) -> None:
        """Hide a name of the parent."""
        if parent.hides_parent or not self._may_be_below(parent, name):
            return
        if self._is_copied(parent.inode, name):
            self.remove(parent, name)
        self._lookups.hide(parent.below(name))
        parent.is_changed = True
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=parent.fd)
        except FileExistsError:  # it hides what is below, unless it is a directory
            try:
                fd = open_beneath(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent.fd)
            except NotADirectoryError:
                return
            try:
                self._make_opaque(parent.below(name), fd)
            finally:
                os.close(fd)

    def delete_all(self, directory: Directory) -> None:
        """Hide all names of the parent in a directory."""
        if directory.hides_parent:
            return
        if directory is not self.root:
            self._make_opaque(directory.path, directory.fd)
            return
        # overlayfs ignores the mark on the root of an upper directory.
        with (
            opened(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._lower(directory)) as fd,
            os.scandir(fd) as entries,
        ):
            for entry in entries:
                self.delete(directory, os.fsencode(entry.name))

    def find(self, parent: Directory, name: bytes) -> None:
        """Copy the file up from the parent, unless the layer has it."""
        try:
            status = os.stat(name, dir_fd=parent.fd, follow_symlinks=False)
        except FileNotFoundError:
            lower = self._lower(parent)
            if lower is not None:
                with self.holding(parent):
                    copied = self._copies.copy(self, lower, name, parent)
                    if copied is not None:
                        self._copied.add(hash((parent.inode, name)))
                        if copied.st_nlink > 1:
                            self._link_others(parent, name, copied)
            return
        if is_whiteout(status):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), parent.below(name))

    def _link_others(self, parent: Directory, name: bytes, status: os.stat_result) -> None:
        """Link the other names that a file has in the parent to its copy: it stays one file."""
        for path in self._link_groups().names((status.st_dev, status.st_ino)):
            if is_hidden(path, self.root.fd):
                continue
            below, other = split(path)
            directory = self.look_up(below)
            directory.is_changed = True
            os.link(name, other, src_dir_fd=parent.fd, dst_dir_fd=directory.fd, follow_symlinks=False)
            self._copied.add(hash((directory.inode, other)))

    def _link_groups(self) -> LinkGroups:
        if self._groups is None:
            if self.parent is None:
                raise _parent_needed(self.root)
            self._groups = LinkGroups(self.parent)
        return self._groups

    def _enter_missing(self, parent: Directory, name: bytes) -> Directory | bytes:
        lower = self._lower(parent)
        if lower is None:
            return super()._enter_missing(parent, name)
        try:
            fd = open_beneath(name, _PATH, dir_fd=lower)
        except FileNotFoundError:
            return super()._enter_missing(parent, name)
        try:
            return self._enter_lower(parent, name, fd)
        finally:
            os.close(fd)

    def _enter_lower(self, parent: Directory, name: bytes, fd: int) -> Directory | bytes:
        """Make the upper directory of one in the parent, or return the target of a symbolic link there."""
        status = os.fstat(fd)
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(b"", dir_fd=fd)
        if is_whiteout(status):
            return super()._enter_missing(parent, name)
        if not stat.S_ISDIR(status.st_mode):
            raise not_a_directory(parent, name)
        directory, _ = self.make(parent, name, stat.S_IMODE(status.st_mode))
        self._copied.add(hash((parent.inode, name)))
        self._copies.copy_attributes(fd, status, directory.fd)
        directory.set_times(status.st_atime_ns, status.st_mtime_ns)
        directory.has_default_acl = has_default_acl(directory.fd)
        return directory

    def _enter_other(self, parent: Directory, name: bytes) -> Directory | bytes:
        if is_whiteout(os.stat(name, dir_fd=parent.fd, follow_symlinks=False)):
            return super()._enter_missing(parent, name)
        return super()._enter_other(parent, name)

    def _add(
        self, parent: Directory, name: bytes, fd: int, *, is_new: bool = False, has_replaced: bool = False
    ) -> Directory:
        directory = super()._add(parent, name, fd, is_new=is_new)
        if has_replaced and not parent.hides_parent:
            # What was replaced hid a directory of the parent, which would show through this one.
            make_opaque(fd)
        directory.hides_parent = parent.hides_parent or has_replaced or (not is_new and is_opaque(fd))
        return directory

    def _lower(self, directory: Directory) -> int | None:
        """Return the descriptor of a directory in the parent, or None if the parent has none that shows.

        Raises:
            ParentNeeded: The parent is not known.
        """
        if directory.hides_parent:
            return None
        if self.parent is None:
            raise _parent_needed(directory)
        if directory is self.root:
            return self.parent
        if directory.lower is None:
            try:
                directory.lower = open_beneath(directory.path, _PATH_DIRECTORY, dir_fd=self.parent)
            except OSError as error:
                if error.errno not in MISSING:
                    raise
                directory.lower = NONE
        return None if directory.lower == NONE else directory.lower

    def _may_be_below(self, parent: Directory, name: bytes) -> bool:
        """Return whether the parent has a name, or is not known."""
        if self.parent is None:
            self.has_unchecked_whiteouts = True
            return True
        lower = self._lower(parent)
        return lower is not None and has_name(lower, name)

    def _make_opaque(self, path: bytes, fd: int) -> None:
        """Let nothing of the parent show through a directory."""
        make_opaque(fd)
        self.close_below(path)
        if directory := self._open.get(path):
            directory.hides_parent = True
            directory.forget_lower()
        if self._copied:
            walk(fd, lambda directory, _: remove_entries(directory, self._is_copied))
        remove_whiteouts(fd)

    def _is_copied(self, directory: int, name: bytes) -> bool:
        """Return whether a name in a directory, given its inode number, is that of a copy."""
        return bool(self._copied) and hash((directory, name)) in self._copied


def _parent_needed(directory: Directory) -> ParentNeeded:
    return ParentNeeded(
        f"apply the layer: {shown(directory.path) or '/'} of the layers below is needed; "
        "apply the layer again with parent_fd"
    )
