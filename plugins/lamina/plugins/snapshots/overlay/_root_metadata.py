"""The metadata of a layer's root directory. An overlay shows that of its uppermost layer."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence
from typing import Final

from lamina.fs import ACL_PREFIX, XattrCopier, same_metadata, xattr_names
from lamina.plugins.snapshots.overlay._container_ids import ContainerIds

MODE: Final = 0o755
"""The mode of the root directory of a layer without a parent."""
_ACCESS_ACL: Final = f"{ACL_PREFIX}access"

# linux/posix_acl_xattr.h: a version, then entries of tag, permissions and id.
_ACL_HEADER: Final = struct.Struct("<I")
_ACL_ENTRY: Final = struct.Struct("<HHI")
_ACL_USER, _ACL_GROUP = 0x02, 0x08


class RootMetadataCopier:
    """Copies metadata from the root directory of one layer to that of another."""

    def __init__(self, xattr_prefix: str) -> None:
        """Copy nothing yet.

        Args:
            xattr_prefix: The prefix of the attributes that overlayfs reserves for itself.
        """
        self._xattr_prefix = xattr_prefix
        self._xattrs = XattrCopier()

    def copy(self, parent: str, root: str, ids: ContainerIds | None) -> None:
        """Set the owner, attributes, mode and times of a new root directory to those of its parent's.

        Args:
            parent: The parent's root directory.
            root: The new root directory.
            ids: If given, the container's root becomes the owner, and access control lists are mapped.

        Raises:
            OSError: A system call failed.
        """
        status = os.stat(parent)
        os.chown(root, *(ids.root if ids else (status.st_uid, status.st_gid)))
        self._copy_xattrs(parent, root, self._visible_names(parent), ids)
        os.chmod(root, stat.S_IMODE(status.st_mode))  # last: chown(2) clears bits
        os.utime(root, ns=(status.st_atime_ns, status.st_mtime_ns))

    def is_equal(self, parent: str, root: str) -> bool:
        """Return whether `copy` without `ids` would leave a root directory unchanged.

        Args:
            parent: The parent's root directory.
            root: The root directory. The attribute of an opaque directory is ignored.

        Raises:
            OSError: A directory cannot be read.
        """
        return same_metadata(root, parent, self._visible_names)

    def copy_missing(self, parent: str, root: str, ids: ContainerIds | None) -> None:
        """Copy the metadata that the layer has not changed since it was created, except times, for a rebase.

        Each attribute is considered separately. The mode and the access control list count as one, because the
        list refines the mode.

        Parameters and errors as for `copy`.
        """
        current, wanted = os.stat(root), os.stat(parent)
        present = xattr_names(root)
        names = [name for name in self._visible_names(parent) if name not in present]
        mode_changed = stat.S_IMODE(current.st_mode) != MODE or _ACCESS_ACL in present
        if mode_changed:
            names = [name for name in names if name != _ACCESS_ACL]
        if ids is None:
            user = wanted.st_uid if current.st_uid == os.geteuid() else -1
            group = wanted.st_gid if current.st_gid == os.getegid() else -1
            os.chown(root, user, group)
        self._copy_xattrs(parent, root, names, ids)
        if not mode_changed:
            os.chmod(root, stat.S_IMODE(wanted.st_mode))

    def _visible_names(self, directory: str) -> list[str]:
        """Return the attributes that an overlay shows. A second prefix escapes those of a nested overlay."""
        nested = f"{self._xattr_prefix}overlay."
        names = xattr_names(directory)
        return [name for name in names if not name.startswith(self._xattr_prefix) or name.startswith(nested)]

    def _copy_xattrs(self, parent: str, root: str, names: Sequence[str], ids: ContainerIds | None) -> None:
        if ids is None:
            self._xattrs.copy(parent, root, names)
            return
        self._xattrs.copy(parent, root, [name for name in names if not name.startswith(ACL_PREFIX)])
        for name in names:
            if name.startswith(ACL_PREFIX):
                os.setxattr(root, name, map_acl(os.getxattr(parent, name), ids))


def map_acl(value: bytes, ids: ContainerIds) -> bytes:
    """Map the ids of an access control list to the host. Entries with unmapped ids are dropped.

    Args:
        value: The value of the attribute (linux/posix_acl_xattr.h).
        ids: The id mappings.
    """
    entries = []
    for tag, permissions, id_ in _ACL_ENTRY.iter_unpack(value[_ACL_HEADER.size :]):
        id_map = {_ACL_USER: ids.uids, _ACL_GROUP: ids.gids}.get(tag)
        host_id = id_ if id_map is None else id_map.to_host(id_)
        if host_id is not None:
            entries.append(_ACL_ENTRY.pack(tag, permissions, host_id))
    return value[: _ACL_HEADER.size] + b"".join(entries)
