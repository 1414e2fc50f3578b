"""The attributes of a layer's files."""

from __future__ import annotations

import os
from typing import Final

import attrs

from lamina.fs import XattrCopier, remove_acls, xattr_names
from lamina.layers._entry import Entry, EntryType
from lamina.layers.applying._directory import Directory, has_default_acl

_KEPT: Final = ("security.selinux", "system.nfs4_acl", "trusted.overlay.", "user.overlay.")
"""Prefixes of extended attributes that are not the layer's: the system or overlayfs sets them."""
_USER: Final = b"user."
_WITH_USER: Final = frozenset({EntryType.FILE, EntryType.DIRECTORY})
"""The types of files that can have attributes of that namespace (xattr(7))."""


@attrs.frozen(eq=False, repr=False)
class Attributes:
    """Sets owners, extended attributes, modes and times, in this order: each may change what comes after it."""

    _xattrs: XattrCopier = attrs.field(factory=XattrCopier)

    def set(self, target: int | str, entry: Entry, owner: tuple[int, int], mode: int, *, has_acl: bool) -> None:
        """Give a new file the attributes of its entry.

        Args:
            target: Its descriptor, or its path in proc(5).
            entry: The entry.
            owner: The file's user and group.
            mode: Its mode.
            has_acl: Whether it inherited an access control list.

        Raises:
            OSError: An attribute cannot be set.
        """
        self._set_owner_and_mode(target, entry, owner, mode, has_acl=has_acl)
        os.utime(target, ns=(entry.mtime if entry.atime is None else entry.atime, entry.mtime))

    def set_directory(self, directory: Directory, entry: Entry, *, is_new: bool) -> None:
        """Give a directory the attributes of its entry; its times are set when it is closed.

        Args:
            directory: The directory.
            entry: The entry.
            is_new: Whether it is new. Otherwise it loses what extended attributes the entry does not have.

        Raises:
            OSError: An attribute cannot be set.
        """
        fd, status = directory.fd, directory.status
        if not is_new:
            for name in xattr_names(fd):
                if not name.startswith(_KEPT) and os.fsencode(name) not in entry.xattrs:
                    os.removexattr(fd, name)
            status = os.fstat(fd)
        owner = status.st_uid, status.st_gid
        self._set_owner_and_mode(fd, entry, owner, status.st_mode & 0o7777, has_acl=directory.has_default_acl)
        directory.set_times(entry.mtime if entry.atime is None else entry.atime, entry.mtime)
        directory.uid = directory.gid = -1
        if entry.xattrs or directory.has_default_acl:
            directory.has_default_acl = has_default_acl(fd)

    def _set_owner_and_mode(
        self, target: int | str, entry: Entry, owner: tuple[int, int], mode: int, *, has_acl: bool
    ) -> None:
        if owner != (entry.uid, entry.gid):
            os.chown(target, entry.uid, entry.gid)
        if has_acl:
            remove_acls(target)
        if entry.xattrs:
            self._set_xattrs(target, entry)
        if entry.type is not EntryType.SYMLINK and (mode != entry.mode or has_acl or entry.xattrs):
            os.chmod(target, entry.mode)

    def _set_xattrs(self, target: int | str, entry: Entry) -> None:
        for name, value in entry.xattrs.items():
            if name.startswith(_USER) and entry.type not in _WITH_USER:
                continue
            self._xattrs.set(target, os.fsdecode(name), value)
