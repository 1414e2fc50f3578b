"""Compare the metadata of files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from lamina.fs._xattrs import xattr_names


def same_metadata(one: str, other: str, names: Callable[[str], Iterable[str]] = xattr_names) -> bool:
    """Return whether two files have the same owner, mode, modification time and extended attributes.

    Args:
        one: A path. A symbolic link is followed.
        other: A path. A symbolic link is followed.
        names: Returns the names of the extended attributes of a file to compare; all by default.

    Raises:
        OSError: A file cannot be read.
    """
    status, expected = os.stat(one), os.stat(other)
    return (
        (status.st_uid, status.st_gid, status.st_mode, status.st_mtime_ns)
        == (expected.st_uid, expected.st_gid, expected.st_mode, expected.st_mtime_ns)
    ) and _xattrs(one, names(one)) == _xattrs(other, names(other))


def _xattrs(path: str, names: Iterable[str]) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in names}
