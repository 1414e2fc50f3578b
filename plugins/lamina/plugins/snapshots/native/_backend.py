"""A backend that copies trees."""

from __future__ import annotations

import os
from typing import Final

from lamina import fs  # `copy_tree` is looked up in calls, since few starts need it
from lamina.fs import disk_usage, is_empty_directory, quick_disk_usage, same_metadata
from lamina.mount import Mount
from lamina.snapshots import Kind, Usage
from lamina.snapshots.local import Backend
from lamina.snapshots.storage import Record

EMPTY_MODE: Final = 0o755
"""The mode of the root directory of a snapshot without a parent."""


class NativeBackend(Backend):
    """Stores each snapshot in a directory with its complete tree. It needs no kernel support.

    A view of a parent has no directory of its own and shows the parent's. The mounts have the same options as
    those of containerd's native snapshotter.
    """

    is_pure = True

    def has_data(self, record: Record) -> bool:
        """Return whether a snapshot has a directory. Views of a parent do not."""
        return record.info.kind is not Kind.VIEW or not record.parent_ids

    def needs_sync(self, record: Record) -> bool:
        """Return whether `create` copies files of the parent."""
        return not self.creates_empty(record)

    def creates_empty(self, record: Record) -> bool:
        """Return whether there are no files in the parent to copy."""
        return not record.parent_ids or is_empty_directory(self.path(record.parent_ids[0]))

    def is_unchanged(self, record: Record) -> bool:
        """Return whether the directory of a snapshot has the same metadata as its parent's."""
        return same_metadata(self.path(record.id), self.path(record.parent_ids[0]))

    def create_blocks(self, record: Record) -> bool:
        """Return whether there are files to copy."""
        return self.has_data(record) and not self.creates_empty(record)

    def finish_quickly(self, record: Record) -> Usage | None:
        """Measure a snapshot with few files."""
        usage = quick_disk_usage(self.path(record.id))
        return None if usage is None else Usage(*usage)

    def create(self, record: Record, path: str) -> None:
        """Copy the parent's directory with its metadata, or create an empty one."""
        if not self.has_data(record):
            return
        if record.parent_ids:
            fs.copy_tree(self.path(record.parent_ids[0]), path)
        else:
            os.mkdir(path)
            os.chmod(path, EMPTY_MODE)  # whatever the umask

    def mounts(self, record: Record) -> list[Mount]:
        """Return a bind mount of the directory or of the parent's."""
        shown = record.id if self.has_data(record) else record.parent_ids[0]
        access = "ro" if record.info.kind is Kind.VIEW else "rw"
        return [Mount(type="bind", source=self.path(shown), options=("rbind", access))]

    def usage(self, record: Record) -> Usage:
        """Measure the whole directory, including copied files and blocks shared with the parent."""
        return Usage(*disk_usage(self.path(record.id)))
