"""Comparing what the kernel keeps of two files besides their content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from lamina.fs._xattrs import xattr_names


def same_attributes(one: str, other: str, names: Callable[[str], Iterable[str]] = xattr_names) -> bool:
    """Report whether two files have the same owner, mode, time of modification and extended attributes.

    Args:
        one: A path; a link there is followed.
        other: The same.
        names: Returns the names of the extended attributes of a file that count; by default all.

    Raises:
        OSError: One of them cannot be read.
    """
    status, expected = os.stat(one), os.stat(other)
    return (
        (status.st_uid, status.st_gid, status.st_mode, status.st_mtime_ns)
        == (expected.st_uid, expected.st_gid, expected.st_mode, expected.st_mtime_ns)
    ) and _extended(one, names(one)) == _extended(other, names(other))


def _extended(path: str, names: Iterable[str]) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in names}
