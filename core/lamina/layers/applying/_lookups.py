"""`Lookups`: the directories that paths of the archive were found to name."""

from __future__ import annotations

from typing import Final

import attrs

from lamina.layers.applying._directory import Directory

_MAX: Final = 1024
"""Paths, and symbolic links, that are remembered."""


@attrs.define(eq=False, repr=False)
class Lookups:
    """A cache of look-ups, which forgets all paths when a symbolic link that one may lead through is hidden."""

    _found: dict[bytes, Directory] = attrs.field(factory=dict)
    """Open directories by the paths of the archive."""
    links: set[bytes] = attrs.field(factory=set)
    """The paths in the tree of symbolic links that paths of `_found` lead through, and maybe of others."""

    def get(self, path: bytes) -> Directory | None:
        """Return the directory that a path names; None if it has to be looked up."""
        return self._found.get(path)

    def make_room(self) -> None:
        """Forget all paths if there are too many: before a look-up, whose links `follow` adds."""
        if max(len(self._found), len(self.links)) >= _MAX:
            self._forget_all()

    def follow(self, link: bytes) -> None:
        """Remember that a path leads through a symbolic link, given by its own path in the tree."""
        self.links.add(link)

    def add(self, path: bytes, directory: Directory) -> None:
        """Remember the directory that a path names."""
        self._found[path] = directory
        directory.names.append(path)

    def forget(self, directory: Directory) -> None:
        """Forget the paths that name a directory, which is closed."""
        for path in directory.names:
            del self._found[path]

    def hide(self, path: bytes) -> None:
        """Note that a name of the tree is replaced, removed or hidden, and may be that of a link."""
        if path in self.links:
            self._forget_all()

    def hide_below(self, path: bytes) -> None:
        """Note that all names below a path of the tree are."""
        prefix = path + b"/" if path else b""
        if any(link.startswith(prefix) for link in self.links):
            self._forget_all()

    def _forget_all(self) -> None:
        for directory in self._found.values():
            directory.names.clear()
        self._found.clear()
        self.links.clear()
