"""Copying extended attributes (xattr(7)), access control lists among them."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable
from typing import Final

import attrs

_log = logging.getLogger(__name__)

_REFUSED: Final = frozenset({errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.EINVAL})
"""How setting an attribute fails that is not allowed here, or not known."""
ACL_PREFIX: Final = "system.posix_acl_"
"""Begins the names of the attributes that are access control lists (acl(5))."""


@attrs.define
class XattrCopier:
    """Copies the attributes of files, and remembers which could not be.

    Losing one is an error, be it `user.*`, `trusted.*` (seen by root only), an access control list or anything
    else. The exception is `security.*`: what a security module keeps there may be its own business here.
    """

    lost: set[str] = attrs.field(factory=set)
    """The names of `security.*` attributes that were left out. Each is logged once."""

    def copy(self, source: int | str, target: int | str, chosen: Iterable[str] | None = None) -> None:
        """Give a file the attributes of another.

        Args:
            source: A file descriptor, or a path; a link there is followed.
            target: The same.
            chosen: The names of those to copy; by default all.

        Raises:
            OSError: An attribute could not be read or set.
        """
        for name in xattr_names(source) if chosen is None else chosen:
            try:
                value = os.getxattr(source, name)
            except OSError as error:
                if error.errno == errno.ENODATA:  # removed meanwhile
                    continue
                raise OSError(error.errno, f"attribute {name}: {error.strerror}") from error
            self._set(target, name, value)

    def _set(self, target: int | str, name: str, value: bytes) -> None:
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if not name.startswith("security.") or error.errno not in _REFUSED:
                raise OSError(error.errno, f"attribute {name}: {error.strerror}") from error
            if name not in self.lost:
                self.lost.add(name)
                _log.warning(
                    "copies go without an attribute that may not be set", exc_info=error, extra={"attribute": name}
                )


def xattr_names(file: int | str) -> list[str]:
    """The names of a file's attributes; none where its file system has no attributes."""
    try:
        return os.listxattr(file)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return []
        raise


def remove_default_acl(directory: int | str) -> None:
    """Take away the access control list that whatever is made in a directory gets."""
    name = f"{ACL_PREFIX}default"
    if name in xattr_names(directory):
        os.removexattr(directory, name)


def remove_acls(file: int) -> None:
    """Take away the access control lists that a new file got from its directory."""
    for name in xattr_names(file):
        if name.startswith(ACL_PREFIX):
            os.removexattr(file, name)
