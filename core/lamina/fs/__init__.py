"""Work on file trees: copying, measuring, removing, locking, making durable, keeping to oneself.

What makes one tree of another is told by `lamina.fs.changes`. It is imported by itself: no start needs it.
"""

from lamina.fs._ballast import BALLAST, Ballast
from lamina.fs._checked import CheckedDirectory, exposure_of, open_path
from lamina.fs._contents import copy_file
from lamina.fs._copy import copy_tree
from lamina.fs._d_type import supports_d_type
from lamina.fs._exposure import Exposure, Trust, content_exposure
from lamina.fs._lock import Lock
from lamina.fs._own_files import open_own_file, replace_file
from lamina.fs._remove import remove_tree
from lamina.fs._space import NO_SPACE, REFUSED, is_full, refuses_writing
from lamina.fs._sync import FileSystemSync, sync_directory
from lamina.fs._syscalls import exchange
from lamina.fs._usage import TreeEdit, disk_usage, holds_at_most
from lamina.fs._xattrs import ACL, Attributes, attribute_names, remove_default_acl

__all__ = [
    "ACL",
    "BALLAST",
    "NO_SPACE",
    "REFUSED",
    "Attributes",
    "Ballast",
    "CheckedDirectory",
    "Exposure",
    "FileSystemSync",
    "Lock",
    "TreeEdit",
    "Trust",
    "attribute_names",
    "content_exposure",
    "copy_file",
    "copy_tree",
    "disk_usage",
    "exchange",
    "exposure_of",
    "holds_at_most",
    "is_full",
    "open_own_file",
    "open_path",
    "refuses_writing",
    "remove_default_acl",
    "remove_tree",
    "replace_file",
    "supports_d_type",
    "sync_directory",
]
