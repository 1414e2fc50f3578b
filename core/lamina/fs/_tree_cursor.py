"""A cursor over a directory tree of any depth."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Protocol, Self

from lamina.errdefs import Aborted

if TYPE_CHECKING:

    class Opener(Protocol):
        """A function with the signature of `os.open`."""

        def __call__(self, name: str, flags: int, /, *, dir_fd: int) -> int: ...


_MAX_SHOWN = 1024
"""Characters of a path in messages, which must fit into a gRPC status."""
_MAX_OPEN = 16
"""Directories that a cursor keeps open."""
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""Errors of open(2) that mean the directory has vanished."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Directory:
    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd
        """-1 while it is closed."""
        self.identity = (0, 0)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class TreeCursor:
    """The path from the root of a tree to the current directory, as file descriptors.

    Paths may have any length and cannot be redirected: each name is looked up in the directory where it was found,
    and symbolic links are not followed. Only the `_MAX_OPEN` deepest directories stay open. The ones above are
    reopened through `..` on the way back, and verified to be the same.
    """

    def __init__(self, root: str, opener: Opener = os.open, *, dir_fd: int | None = None) -> None:
        """Open the root.

        Args:
            root: The path of a directory. A symbolic link is followed.
            opener: The function with which `enter` opens directories.
            dir_fd: The descriptor of the directory that the path is relative to; the working directory by default.

        Raises:
            OSError: The root cannot be opened.
        """
        self._opener = opener
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self._directories = [_Directory(root, os.open(root, flags, dir_fd=dir_fd))]

    @property
    def fd(self) -> int:
        """The descriptor of the current directory."""
        return self._directories[-1].fd

    @property
    def names(self) -> tuple[str, ...]:
        """The names on the way from the root to the current directory."""
        return tuple(directory.name for directory in self._directories[1:])

    def path(self, name: str) -> str:
        """Return the path of a name in the current directory, for messages only."""
        path = os.path.join(*(directory.name for directory in self._directories), name)
        shown = os.fsencode(path).decode(errors="backslashreplace")
        return shown if len(shown) <= _MAX_SHOWN else "…" + shown[-_MAX_SHOWN:]

    def enter(self, name: str) -> None:
        """Descend into a directory.

        Raises:
            OSError: The directory cannot be opened.
        """
        self._directories.append(_Directory(name, self._opener(name, _DIRECTORY, dir_fd=self.fd)))
        if len(self._directories) > _MAX_OPEN:
            highest = self._directories[-_MAX_OPEN - 1]
            if highest.fd >= 0:
                highest.identity = _identity(highest.fd)
                highest.close()

    def try_enter(self, name: str) -> bool:
        """Descend into a directory; return False if no directory has the name.

        Raises:
            OSError: The directory cannot be opened. The error names its path.
        """
        try:
            self.enter(name)
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise OSError(error.errno, error.strerror, self.path(name)) from error
        return True

    def leave(self) -> str:
        """Return to the parent directory.

        Returns:
            The name of the directory that was left.

        Raises:
            Aborted: The directory was moved meanwhile.
        """
        with contextlib.closing(self._directories.pop()) as left:
            parent = self._directories[-1]
            if parent.fd < 0:
                parent.fd = os.open("..", _DIRECTORY, dir_fd=left.fd)
                if _identity(parent.fd) != parent.identity:
                    raise Aborted(f"{self.path(left.name)} was moved meanwhile; try again")
        return left.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for directory in self._directories:
            directory.close()


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
