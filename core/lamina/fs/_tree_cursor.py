"""Going down and up a directory tree, however deep it is."""

from __future__ import annotations

import contextlib
import errno
import os
from types import TracebackType
from typing import Protocol, Self

import attrs

from lamina.errdefs import Aborted

_SHOWN = 1024
"""How many characters of a path are shown: an error message has to fit into a gRPC status."""
_HELD = 16
"""How many directories a cursor holds open."""
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What says that there is no directory, or none any more."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Opener(Protocol):
    """Opens a name in a directory, as `os.open` does."""

    def __call__(self, name: str, flags: int, /, *, dir_fd: int) -> int: ...


@attrs.define
class _Level:
    name: str
    fd: int
    """-1 while it is not held open."""
    identity: tuple[int, int] = (0, 0)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class TreeCursor:
    """The directories from a tree's root down to the one at hand, as file descriptors.

    So there is no limit on the length of a path, and nobody can divert it: a name is looked up in the directory
    in which it was found, and links are not followed. Only the lowest few are held open; those above are opened
    again through `..` on the way back up, and have to be the same ones then.
    """

    def __init__(self, root: str, opener: Opener = os.open) -> None:
        """Start at a directory.

        Args:
            root: Its path. A link there is followed.
            opener: How `enter` opens directories.

        Raises:
            OSError: It cannot be opened.
        """
        self._opener = opener
        self._levels = [_Level(root, os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))]

    @property
    def fd(self) -> int:
        """The directory at hand."""
        return self._levels[-1].fd

    def path(self, name: str) -> str:
        """The path of a name in the directory at hand: to show, not to open."""
        path = os.path.join(*(level.name for level in self._levels), name)
        shown = os.fsencode(path).decode(errors="backslashreplace")
        return shown if len(shown) <= _SHOWN else "…" + shown[-_SHOWN:]

    def enter(self, name: str) -> None:
        """Go down into a directory.

        Raises:
            OSError: It cannot be opened.
        """
        self._levels.append(_Level(name, self._opener(name, _DIRECTORY, dir_fd=self.fd)))
        if len(self._levels) > _HELD:
            highest = self._levels[-_HELD - 1]
            if highest.fd >= 0:
                highest.identity = _identity(highest.fd)
                highest.close()

    def enter_if_there(self, name: str) -> bool:
        """Go down into a directory, if there is one of that name and it has not vanished; whether there is.

        Raises:
            OSError: It cannot be opened. The error has its path.
        """
        try:
            self.enter(name)
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise OSError(error.errno, error.strerror, self.path(name)) from error
        return True

    def leave(self) -> str:
        """Go back up, and return the name of the directory that was left.

        Raises:
            Aborted: It was moved to another place meanwhile.
        """
        with contextlib.closing(self._levels.pop()) as left:
            above = self._levels[-1]
            if above.fd < 0:
                above.fd = os.open("..", _DIRECTORY, dir_fd=left.fd)
                if _identity(above.fd) != above.identity:
                    raise Aborted(f"{self.path(left.name)} was moved meanwhile; try again")
        return left.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for level in self._levels:
            level.close()


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
