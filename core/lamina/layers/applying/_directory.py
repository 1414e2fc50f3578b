"""An open directory of the tree that a layer is applied to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import attrs

from lamina.fs import ACL_PREFIX, read_xattr

NONE: Final = -1
"""Instead of a descriptor: there is no such directory."""
_DEFAULT_ACL: Final = f"{ACL_PREFIX}default"


@attrs.define(eq=False, repr=False)
class Directory:
    """A directory, and what its new entries get from it."""

    path: bytes
    """Its path in the tree, without symbolic links; "" for the root."""
    fd: int
    status: os.stat_result
    """Its status when it was opened."""
    has_default_acl: bool
    """True if new entries inherit an access control list."""
    inode: int
    atime: int
    """Nanoseconds, as `mtime`: what `close` sets if the layer has changed the directory."""
    mtime: int
    is_changed: bool = False
    """True if the layer has changed the directory since it was opened."""
    uid: int = -1
    """The owner that new entries get; -1 until there was one."""
    gid: int = -1
    above: Directory | None = None
    """The directory that it is in; None for the root."""
    is_unpacked: bool = False
    """True if the layer is known to have unpacked a name in it, which counts as unpacking the directory, too."""
    names: list[bytes] = attrs.field(factory=list)
    """The paths by which the archive names the directory."""
    hides_parent: bool = False
    """True if it is known that nothing of the layers below is in this directory, or shows in this upper one."""
    lower: int | None = None
    """The descriptor of the same directory in the parent of an upper one, or `NONE`, once it was looked up."""

    @classmethod
    def of(cls, path: bytes, fd: int, *, above: Directory | None = None, may_have_acl: bool = True) -> Directory:
        """Describe an open directory, which the object closes.

        Args:
            path: Its path in the tree.
            fd: Its descriptor.
            above: The directory that it is in; None for the root.
            may_have_acl: Whether new entries may inherit an access control list.

        Raises:
            OSError: It cannot be read.
        """
        try:
            status = os.fstat(fd)
            has_acl = may_have_acl and has_default_acl(fd)
        except BaseException:
            os.close(fd)
            raise
        times = status.st_atime_ns, status.st_mtime_ns
        return cls(path, fd, status, has_acl, status.st_ino, *times, above=above)

    def below(self, name: bytes) -> bytes:
        """Return the path of a name in the directory."""
        return self.path + b"/" + name if self.path else name

    def mark_unpacked(self) -> Iterator[tuple[Directory, bytes]]:
        """Mark the directory and those above as unpacked; yield the parent and name of each that was not."""
        at = self
        while not at.is_unpacked and at.above is not None:
            at.is_unpacked = True
            yield at.above, at.path.rpartition(b"/")[2]
            at = at.above

    def set_times(self, atime: int, mtime: int) -> None:
        """Set the times that `close` sets, in nanoseconds."""
        self.atime, self.mtime, self.is_changed = atime, mtime, True

    def close(self, *, keeps_times: bool = True) -> None:
        """Close the directory, and first set its times, which its new entries have changed.

        Args:
            keeps_times: Whether to set the times: not if the directory was removed.

        Raises:
            OSError: The times cannot be set.
        """
        try:
            if self.is_changed and keeps_times:
                os.utime(self.fd, ns=(self.atime, self.mtime))
        finally:
            os.close(self.fd)
            self.forget_lower()

    def forget_lower(self) -> None:
        """Close the directory in the parent."""
        if self.lower is not None and self.lower != NONE:
            os.close(self.lower)
        self.lower = None


def has_default_acl(fd: int) -> bool:
    """Return whether new entries of a directory inherit an access control list.

    Raises:
        OSError: It cannot be read.
    """
    return read_xattr(fd, _DEFAULT_ACL) is not None
