"""The attributes of files that are part of a tree."""

from __future__ import annotations

import errno
import os
import struct
from typing import Final

from lamina.layers.applying._overlay import XATTRS

_OF_OVERLAY: Final = tuple(os.fsdecode(prefix) for prefix in XATTRS)
_ACLS: Final = frozenset({"system.posix_acl_access", "system.posix_acl_default"})
_ACL_HEADER: Final = struct.Struct("<I")
_ACL_ENTRY: Final = struct.Struct("<HHI")
"""The tag, the permissions and the id of an entry (linux/posix_acl_xattr.h)."""
_NAMED: Final = frozenset({0x02, 0x08})
"""The tags of entries for a user and a group with an id."""
_NO_ID: Final = 2**32 - 1
_IS_NONE: Final = frozenset({errno.ENODATA, errno.EOVERFLOW})
"""Errors of getxattr(2) for an attribute that was removed meanwhile, and for capabilities whose root user is not
in the container (capabilities(7), "Namespaced file capabilities")."""


def xattrs(file: int | str) -> dict[bytes, bytes]:
    """Return the extended attributes of a file, less those that overlayfs keeps for itself.

    If the mount shows the file with a container's owners, access for users and groups outside the container is
    left out.

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
                value = os.getxattr(file, name, follow_symlinks=follow)
            except OSError as error:
                if error.errno not in _IS_NONE:
                    raise
            else:
                found[os.fsencode(name)] = _without_strangers(value) if name in _ACLS else value
    return found


def _without_strangers(acl: bytes) -> bytes:
    """Return an access control list without entries for no id, which no file can be given."""
    entries = acl[_ACL_HEADER.size :]
    kept = (
        _ACL_ENTRY.pack(tag, permissions, id_)
        for tag, permissions, id_ in _ACL_ENTRY.iter_unpack(entries)
        if tag not in _NAMED or id_ != _NO_ID
    )
    return acl[: _ACL_HEADER.size] + b"".join(kept)


def below(directory: int, name: str) -> str:
    """Return a path of a file in an open directory, for system calls without a variant that takes a descriptor."""
    return f"/proc/self/fd/{directory}/{name}"
