"""The attributes of files that are part of a tree."""

from __future__ import annotations

import errno
import os
from typing import Final

from lamina.layers.applying._overlay import XATTRS

_OF_OVERLAY: Final = tuple(os.fsdecode(prefix) for prefix in XATTRS)


def xattrs(file: int | str) -> dict[bytes, bytes]:
    """Return the extended attributes of a file, less those that overlayfs keeps for itself.

    Args:
        file: A descriptor, or a path at whose end a symbolic link is not followed.

    Raises:
        OSError: They cannot be read.
    """
    follow = isinstance(file, int)
    try:
        names = os.listxattr(file, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return {}
        raise
    found = {}
    for name in sorted(names):
        if not name.startswith(_OF_OVERLAY):
            try:
                found[os.fsencode(name)] = os.getxattr(file, name, follow_symlinks=follow)
            except OSError as error:
                if error.errno != errno.ENODATA:  # removed meanwhile
                    raise
    return found


def below(directory: int, name: str) -> str:
    """Return a path of a file in an open directory, for system calls without a variant that takes a descriptor."""
    return f"/proc/self/fd/{directory}/{name}"
