"""A directory that has the whole tree: that of the layers below is changed in place."""

from __future__ import annotations

import os
from typing import Final

import attrs

from lamina.fs import open_beneath
from lamina.layers.applying._directory import Directory
from lamina.layers.applying._name_set import NameSet
from lamina.layers.applying._tree import Tree
from lamina.layers.applying._walk import remove_entries, walk

_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@attrs.define(eq=False, repr=False)
class MergedTree(Tree):
    """A tree in which whiteouts delete files.

    A whiteout deletes files of the layers below, whether it comes before or after entries of its own layer there.
    """

    _unpacked: NameSet = attrs.field(factory=NameSet)

    def note_unpacked(self, parent: Directory, name: bytes) -> None:
        """Note a name as unpacked."""
        if not self.root.hides_parent:
            self._unpacked.add(parent.inode, name)

    def delete(self, parent: Directory, name: bytes) -> None:
        """Remove a file or a tree, except for names that this layer has unpacked."""
        if parent.hides_parent:
            return
        if not self._unpacked.has(parent.inode, name):
            self.remove(parent, name)
            return
        try:
            fd = open_beneath(name, _OPEN, dir_fd=parent.fd)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            self._delete_others(parent.below(name), fd)
        finally:
            os.close(fd)

    def delete_all(self, directory: Directory) -> None:
        """Remove everything from a directory, except for names that this layer has unpacked."""
        if directory.hides_parent:
            return
        self._delete_others(directory.path, directory.fd)
        for known in (directory, *self.open_below(directory.path)):
            known.hides_parent = True

    def find(self, parent: Directory, name: bytes) -> None:
        """Do nothing: the tree has the file if the layers below have it."""

    def _add(
        self, parent: Directory, name: bytes, fd: int, *, is_new: bool = False, has_replaced: bool = False
    ) -> Directory:
        directory = super()._add(parent, name, fd, is_new=is_new)
        directory.hides_parent = is_new or parent.hides_parent
        return directory

    def _delete_others(self, path: bytes, fd: int) -> None:
        """Remove the names that this layer has not unpacked from a directory and unpacked ones below it."""
        self._lookups.hide_below(path)
        for directory in self.open_below(path):
            if not directory.is_unpacked:
                self._close(directory)
        walk(fd, lambda directory, _: remove_entries(directory, self._is_other))

    def _is_other(self, directory: int, name: bytes) -> bool:
        return not self._unpacked.has(directory, name)
