"""Work on file trees: measuring, removing, locking, making durable."""

from lamina.fs._d_type import supports_d_type
from lamina.fs._lock import Lock
from lamina.fs._remove import remove_tree
from lamina.fs._sync import FileSystemSync, sync_directory
from lamina.fs._usage import disk_usage

__all__ = ["FileSystemSync", "Lock", "disk_usage", "remove_tree", "supports_d_type", "sync_directory"]
