"""The files of a layout's directory."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lamina.content import Blob
from lamina.errdefs import InvalidArgument, NotFound, from_os_error
from lamina.fs import open_beneath
from lamina.images.archive._files import ArchiveFiles, plain_name, shown

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""O_NONBLOCK keeps a FIFO in place of a file from blocking the process (fifo(7))."""
_LEADS_AWAY: Final = frozenset({errno.ELOOP, errno.EXDEV})
"""The errors with which openat2(2) refuses symbolic links and mount points."""


class DirectoryFiles(ArchiveFiles):
    """The files beneath a directory. Symbolic links are refused, wherever they lead."""

    def __init__(self, path: str, fd: int) -> None:
        """Take over the descriptor of a directory."""
        super().__init__(path)
        self._fd = fd

    def has(self, name: str) -> bool:
        """Return whether there is a file, or a link, of that name."""
        try:
            os.close(open_beneath(os.fsencode(name), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    @contextmanager
    def open(self, name: str) -> Iterator[Blob]:
        """Open a file for the duration of a block; see `ArchiveFiles.open`."""
        with Blob(self._open(plain_name(name, self.path)), 0) as blob:
            status = os.fstat(blob.fd)
            if not stat.S_ISREG(status.st_mode):
                raise InvalidArgument(f"{self.path}: {shown(name)} is not a regular file")
            blob.size = status.st_size
            yield blob

    def _open(self, name: str) -> int:
        try:
            return open_beneath(os.fsencode(name), _FLAGS, dir_fd=self._fd)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"{self.path}: there is no file {shown(name)}") from error
        except OSError as error:
            if error.errno in _LEADS_AWAY:
                raise InvalidArgument(
                    f"{self.path}: {shown(name)} is, or lies behind, a symbolic link or a mount point, which no "
                    "layout must have: copy it with cp -rL"
                ) from error
            raise from_os_error(error, f"open {shown(name)} in {self.path}") from error

    def close(self) -> None:
        """Close the directory."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
