"""Snapshots as copies of trees."""

from __future__ import annotations

import os
from typing import Final

from lamina.fs import copy_tree, disk_usage, holds_at_most, same_attributes
from lamina.mount import Mount
from lamina.snapshots import Kind, Usage
from lamina.snapshots.local import Backend
from lamina.snapshots.storage import Record

EMPTY_MODE: Final = 0o755
"""The mode of a snapshot's directory that was made without a parent."""


class NativeBackend(Backend):
    """One directory for each snapshot, with all that is in it: no layers, and nothing that a kernel must have.

    A view of a parent has no directory: it shows the parent's. The mounts have the shapes of containerd's native
    snapshotter, option for option.
    """

    def has_data(self, record: Record) -> bool:
        """Whether a snapshot has a directory: all have but views of a parent."""
        return record.info.kind is not Kind.VIEW or not record.parent_ids

    def needs_sync(self, record: Record) -> bool:
        """Report whether a snapshot has a copy of its parent's files."""
        return not self.creates_empty(record)

    def creates_empty(self, record: Record) -> bool:
        """Report whether there is nothing in the parent to copy."""
        return not record.parent_ids or holds_at_most(self.path(record.parent_ids[0]), 0)

    def is_unchanged(self, record: Record) -> bool:
        """Compare the directory of a snapshot with its parent's."""
        return same_attributes(self.path(record.id), self.path(record.parent_ids[0]))

    def creates_quickly(self, record: Record) -> bool:
        """Whether there is nothing to copy."""
        return not self.has_data(record) or self.creates_empty(record)

    def commits_quickly(self, record: Record) -> bool:
        """Whether a snapshot has few files."""
        return holds_at_most(self.path(record.id))

    def create(self, record: Record, path: str) -> None:
        """Copy the parent's directory, with what makes it what it is, or make an empty one."""
        if not self.has_data(record):
            return
        if record.parent_ids:
            copy_tree(self.path(record.parent_ids[0]), path)
        else:
            os.mkdir(path)
            os.chmod(path, EMPTY_MODE)  # the umask has no say in it

    def mounts(self, record: Record) -> list[Mount]:
        """One bind mount of the directory, or of the parent's."""
        shown = record.id if self.has_data(record) else record.parent_ids[0]
        access = "ro" if record.info.kind is Kind.VIEW else "rw"
        return [Mount(type="bind", source=self.path(shown), options=("rbind", access))]

    def usage(self, record: Record) -> Usage:
        """What the whole directory takes up, also what was copied, and blocks that are shared with the parent."""
        return Usage(*disk_usage(self.path(record.id)))
