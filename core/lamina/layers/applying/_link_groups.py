"""The other names of files in the layers below an upper directory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Final

import attrs

from lamina.errdefs import ResourceExhausted
from lamina.fs import open_beneath
from lamina.layers.applying._overlay import MISSING, has_name, is_opaque
from lamina.layers.applying._walk import walk

MAX_FILES: Final = 100_000
"""Maximum number of files with several names in the layers below."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Inode = tuple[int, int]
"""Device and inode number."""


@attrs.define(eq=False, repr=False)
class LinkGroups:
    """Finds all names of a file, in one walk for all files: few layers link to a file with several names."""

    _parent: int
    """The descriptor of the parent's root."""
    _names: dict[Inode, list[bytes]] | None = None

    def names(self, inode: Inode) -> list[bytes]:
        """Return the paths of a file in the parent.

        Raises:
            ResourceExhausted: There are more than `MAX_FILES` such files.
            Aborted: A directory was moved meanwhile.
            Canceled, DeadlineExceeded: The current call ended.
            OSError: A directory cannot be read.
        """
        if self._names is None:
            self._names = self._walk()
        return self._names.get(inode, [])

    def _walk(self) -> dict[Inode, list[bytes]]:
        found: dict[Inode, list[bytes]] = {}
        walk(self._parent, lambda fd, path: _read(fd, path, found))
        return found


def _read(fd: int, path: Sequence[str], found: dict[Inode, list[bytes]]) -> list[str]:
    """Add the files with several names in a directory; return the names of its directories."""
    directories = []
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
                continue
            status = entry.stat(follow_symlinks=False)
            if status.st_nlink > 1:
                if len(found) == MAX_FILES:
                    raise ResourceExhausted(
                        "apply the layer: it links to a file with several names, and the layers below have more "
                        f"than {MAX_FILES} such files"
                    )
                found.setdefault((status.st_dev, status.st_ino), []).append(
                    os.fsencode("/".join([*path, entry.name]))
                )
    return directories


def is_hidden(path: bytes, upper: int) -> bool:
    """Return whether an upper directory replaces or hides a file of the layers below.

    Raises:
        OSError: A directory cannot be opened.
    """
    *parents, name = path.split(b"/")
    with contextlib.ExitStack() as stack:
        fd = upper
        for parent in parents:
            try:
                fd = open_beneath(parent, _DIRECTORY, dir_fd=fd)
            except FileNotFoundError:
                return False
            except OSError as error:
                if error.errno not in MISSING:
                    raise
                return True
            stack.callback(os.close, fd)
            if is_opaque(fd):
                return True
        return has_name(fd, name)
