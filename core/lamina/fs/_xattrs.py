"""Extended attributes (xattr(7)), including access control lists."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable
from typing import Final

_log = logging.getLogger(__name__)

_REFUSED: Final = frozenset({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EINVAL})
"""Errors of setxattr(2) for attributes that are unknown or not permitted."""
ACL_PREFIX: Final = "system.posix_acl_"
"""The prefix of the attributes that store access control lists (acl(5))."""


class XattrCopier:
    """Copies the extended attributes of files.

    Failing to set an attribute is an error, except for `security.*`: a security module may forbid it here.
    """

    def __init__(self) -> None:
        """Copy nothing yet."""
        self.skipped: set[str] = set()
        """The `security.*` attributes that could not be set. Each is logged once."""

    def copy(self, source: int | str, target: int | str, names: Iterable[str] | None = None) -> None:
        """Copy the attributes of one file to another.

        Args:
            source: A descriptor or a path. A symbolic link is followed.
            target: A descriptor or a path. A symbolic link is followed.
            names: The attributes to copy; all by default.

        Raises:
            OSError: An attribute cannot be read or set.
        """
        for name in xattr_names(source) if names is None else names:
            try:
                value = os.getxattr(source, name)
            except OSError as error:
                if error.errno == errno.ENODATA:  # removed meanwhile
                    continue
                raise OSError(error.errno, f"attribute {name}: {error.strerror}") from error
            self.set(target, name, value)

    def set(self, target: int | str, name: str, value: bytes) -> None:
        """Set an attribute of a file. One of `security.*` that this system refuses is skipped, and logged once.

        Raises:
            OSError: The attribute cannot be set.
        """
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if not name.startswith("security.") or error.errno not in _REFUSED:
                raise OSError(error.errno, f"attribute {name}: {error.strerror}") from error
            if name not in self.skipped:
                self.skipped.add(name)
                _log.warning(
                    "skipping an attribute that cannot be set here", exc_info=error, extra={"attribute": name}
                )


def xattr_names(file: int | str) -> list[str]:
    """Return the names of a file's attributes; none if its file system does not support any."""
    try:
        return os.listxattr(file)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return []
        raise


def read_xattr(file: int | str, name: str) -> bytes | None:
    """Return an attribute of a file; None if it is not set, or its file system does not support it."""
    try:
        return os.getxattr(file, name)
    except OSError as error:
        if error.errno in {errno.ENODATA, errno.EOPNOTSUPP}:
            return None
        raise


def remove_xattr(file: int | str, name: str) -> None:
    """Remove an attribute of a file. One that is not set, or that another process removes, is not an error."""
    try:
        os.removexattr(file, name)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise


def remove_default_acl(directory: int | str) -> None:
    """Remove the default access control list of a directory, which new entries inherit."""
    name = f"{ACL_PREFIX}default"
    if name in xattr_names(directory):
        remove_xattr(directory, name)


def remove_acls(file: int | str) -> None:
    """Remove the access control lists of a file."""
    for name in xattr_names(file):
        if name.startswith(ACL_PREFIX):
            remove_xattr(file, name)
