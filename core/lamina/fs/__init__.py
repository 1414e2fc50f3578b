"""Work on file trees: copying, measuring, removing, locking, making durable."""

from lamina.fs._changes import OPAQUE, Change, ChangeKind, changes, overlay_changes
from lamina.fs._contents import copy_file
from lamina.fs._copy import copy_tree
from lamina.fs._d_type import supports_d_type
from lamina.fs._lock import Lock
from lamina.fs._remove import remove_tree
from lamina.fs._sync import FileSystemSync, sync_directory
from lamina.fs._usage import disk_usage, holds_at_most

__all__ = [
    "OPAQUE",
    "Change",
    "ChangeKind",
    "FileSystemSync",
    "Lock",
    "changes",
    "copy_file",
    "copy_tree",
    "disk_usage",
    "holds_at_most",
    "overlay_changes",
    "remove_tree",
    "supports_d_type",
    "sync_directory",
]
