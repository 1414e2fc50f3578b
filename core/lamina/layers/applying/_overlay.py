"""The marks of overlayfs (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories")."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from lamina.fs import TreeCursor, open_within_mount

XATTRS: Final = (b"trusted.overlay.", b"user.overlay.")
"""The prefixes of the extended attributes that overlayfs keeps for itself."""
_OPAQUE: Final = "trusted.overlay.opaque"
_YES: Final = b"y"


def is_whiteout(status: os.stat_result) -> bool:
    """Return whether a file in an upper directory says that the layers below have none of its name."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def make_opaque(fd: int) -> None:
    """Mark a directory: nothing of the layers below shows through it."""
    os.setxattr(fd, _OPAQUE, _YES)


def is_opaque(fd: int) -> bool:
    """Return whether a directory has that mark."""
    try:
        return os.getxattr(fd, _OPAQUE) == _YES
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return False
        raise


def remove_whiteouts(fd: int) -> None:
    """Remove the whiteouts below a directory through which nothing shows: readdir(3) would return their names."""
    with TreeCursor(".", open_within_mount, dir_fd=fd) as cursor:
        pending = [_remove_whiteouts(cursor.fd)]
        while pending:
            if not pending[-1]:
                pending.pop()
                if pending:
                    cursor.leave()
            elif cursor.try_enter(pending[-1].pop()):
                pending.append(_remove_whiteouts(cursor.fd))


def _remove_whiteouts(fd: int) -> list[str]:
    """Remove the whiteouts in a directory, and keep its times; return the names of its directories."""
    before = os.fstat(fd)
    directories = []
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            elif is_whiteout(entry.stat(follow_symlinks=False)):
                os.unlink(entry.name, dir_fd=fd)
    os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
    return directories
