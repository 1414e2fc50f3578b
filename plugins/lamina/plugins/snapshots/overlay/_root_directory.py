"""The root directory of a layer: an overlay shows that of its upper directory, or of the topmost layer."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence
from typing import Final

import attrs

from lamina.fs import ACL_PREFIX, XattrCopier, same_attributes, xattr_names
from lamina.plugins.snapshots.overlay._owner import Owners

MODE: Final = 0o755
"""That of a root directory that was made without a parent."""
_ACCESS: Final = f"{ACL_PREFIX}access"

# linux/posix_acl_xattr.h: a version, then entries of tag, permissions and id.
_ACL_HEADER: Final = struct.Struct("<I")
_ACL_ENTRY: Final = struct.Struct("<HHI")
_ACL_USER, _ACL_GROUP = 0x02, 0x08


@attrs.frozen
class RootDirectories:
    """Makes the root directory of one layer like that of another."""

    own: str
    """Begins the names of the attributes that overlayfs keeps for itself."""
    attributes: XattrCopier = attrs.field(factory=XattrCopier)

    def copy(self, parent: str, root: str, owners: Owners | None) -> None:
        """Give a new root directory what makes that of its parent what it is.

        Args:
            parent: The parent's root directory.
            root: The new one.
            owners: Where there are some, the directory belongs to the container's root.

        Raises:
            OSError: That failed.
        """
        status = os.stat(parent)
        os.chown(root, *(owners.root if owners else (status.st_uid, status.st_gid)))
        self._copy_attributes(parent, root, self._names(parent), owners)
        os.chmod(root, stat.S_IMODE(status.st_mode))  # now: chown(2) takes some bits away
        os.utime(root, ns=(status.st_atime_ns, status.st_mtime_ns))

    def are_alike(self, parent: str, root: str) -> bool:
        """Report whether `copy` would leave a root directory as it is, but for owners.

        Args:
            parent: The parent's root directory.
            root: The one in question. The mark of an opaque directory does not count.

        Raises:
            OSError: One of them cannot be read.
        """
        return same_attributes(root, parent, self._names)

    def complete(self, parent: str, root: str, owners: Owners | None) -> None:
        """Give the root directory of a layer that was made without a parent what its new parent's has.

        Each attribute by itself, where it is still the one that the directory was made with. The mode and the
        access control list that says the same more precisely are one. The times stay.

        Parameters and errors as above.
        """
        made, wanted = os.stat(root), os.stat(parent)
        present = xattr_names(root)
        names = [name for name in self._names(parent) if name not in present]
        has_own_mode = stat.S_IMODE(made.st_mode) != MODE or _ACCESS in present
        if has_own_mode:
            names = [name for name in names if name != _ACCESS]
        if owners is None:
            user = wanted.st_uid if made.st_uid == os.geteuid() else -1
            group = wanted.st_gid if made.st_gid == os.getegid() else -1
            os.chown(root, user, group)
        self._copy_attributes(parent, root, names, owners)
        if not has_own_mode:
            os.chmod(root, stat.S_IMODE(wanted.st_mode))

    def _names(self, directory: str) -> list[str]:
        """The attributes that show in an overlay. Those of an overlay in this one begin twice like its own."""
        nested = f"{self.own}overlay."
        names = xattr_names(directory)
        return [name for name in names if not name.startswith(self.own) or name.startswith(nested)]

    def _copy_attributes(self, parent: str, root: str, names: Sequence[str], owners: Owners | None) -> None:
        if owners is None:
            self.attributes.copy(parent, root, names)
            return
        self.attributes.copy(parent, root, [name for name in names if not name.startswith(ACL_PREFIX)])
        for name in names:
            if name.startswith(ACL_PREFIX):
                os.setxattr(root, name, mapped_acl(os.getxattr(parent, name), owners))


def mapped_acl(value: bytes, owners: Owners) -> bytes:
    """An access control list of a container as it is on the host. Entries of ids that are not mapped are left out.

    Args:
        value: The attribute (linux/posix_acl_xattr.h).
        owners: The maps.
    """
    entries = []
    for tag, permissions, id_ in _ACL_ENTRY.iter_unpack(value[_ACL_HEADER.size :]):
        ids = {_ACL_USER: owners.uids, _ACL_GROUP: owners.gids}.get(tag)
        host = id_ if ids is None else ids.to_host(id_)
        if host is not None:
            entries.append(_ACL_ENTRY.pack(tag, permissions, host))
    return value[: _ACL_HEADER.size] + b"".join(entries)
