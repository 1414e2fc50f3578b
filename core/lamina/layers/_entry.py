"""The entries of a layer."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs


class EntryType(enum.Enum):
    """The type of a file in a tar archive (POSIX pax, `typeflag`)."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARD_LINK = "hard link"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"
    FIFO = "fifo"


@attrs.define(eq=False)
class Entry:
    """One file of a layer. Names are bytes, as on Linux, and as the archive has them: nothing is checked yet."""

    name: bytes
    """Its path, relative to the root of the tree; it may be anything that an archive can hold."""
    type: EntryType
    mode: int = 0o644
    """The permission bits, with set-user-ID, set-group-ID and sticky: at most 0o7777."""
    uid: int = 0
    gid: int = 0
    size: int = 0
    """Bytes of the file, holes included; 0 for everything but files."""
    mtime: int = 0
    """Nanoseconds since 1970, UTC."""
    atime: int | None = None
    """As `mtime`; None if the archive does not say."""
    link: bytes = b""
    """The target of a symbolic link, or the path of the file that a hard link is another name of."""
    device: int = 0
    """The number of a device, as `os.makedev` returns it."""
    xattrs: Mapping[bytes, bytes] = attrs.field(factory=dict)
    """Extended attributes with their namespaces, such as `security.capability` (PAX `SCHILY.xattr.*`)."""
    extents: tuple[tuple[int, int], ...] | None = None
    """The data of a sparse file, as offsets and lengths in bytes, ascending; None for one without holes."""
