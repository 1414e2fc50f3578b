"""The interface between a local snapshotter and its storage."""

from __future__ import annotations

import abc
import os
from collections.abc import Mapping
from typing import ClassVar

from lamina.fs import remove_tree
from lamina.mount import Mount
from lamina.snapshots._contract import Usage
from lamina.snapshots.storage import Record


class Backend(abc.ABC):
    """Makes, mounts, measures and deletes the data of snapshots.

    Methods are called from any thread, and from several at a time. Long work calls
    `lamina.context.current().check()` repeatedly. OSErrors may propagate: `LocalSnapshotter` raises them as
    `lamina.errdefs` classes.
    """

    rebases: ClassVar[bool] = False
    """True if a snapshot made without a parent can be put on one at its commit, because its data holds only the
    differences from a parent. If so, `rebase` adapts its root directory."""

    freezes: ClassVar[bool] = False
    """True if mounts and open files of the active snapshot can no longer change the committed one. If they can,
    `LocalSnapshotter` logs each commit of a snapshot still mounted in its own mount namespace."""

    is_pure: ClassVar[bool] = False
    """True if `labels` always returns the same for the same identifier, and `mounts` for the same record, except
    where `mounts_vary`. If so, results may be given again until a record changes."""

    def __init__(self, root: str) -> None:
        """Keep data below a directory.

        Args:
            root: Its absolute path. `LocalSnapshotter.open` makes it.
        """
        self.root = root
        self.snapshots = os.path.join(root, "snapshots", "")
        """The directory of all snapshots' data, with a trailing slash."""

    def open(self) -> None:  # noqa: B027 - not every backend keeps something
        """Make or check the backend's own files in the data root. No other process uses them now.

        On a full or read-only disk, do without them if possible.
        """

    def path(self, id_: int) -> str:
        """Return the path of the data of the snapshot with that identifier."""
        return f"{self.snapshots}{id_}"

    def has_data(self, record: Record) -> bool:
        """Return whether a snapshot has data of its own; if not, `create` makes nothing."""
        return True

    def repair(self, record: Record) -> bool:
        """Complete the data of a snapshot after a crash; return False if nothing of it is worth keeping.

        After a crash, a directory may lack entries made before it got its name: btrfs replays the log of synced
        files and of the directories that lead to them, but not of the other entries there.
        """
        return os.path.lexists(self.path(record.id))

    def needs_sync(self, record: Record) -> bool:
        """Return whether the data that `create` makes must be on disk before the record: contents of files must.

        Directories need not: if a crash loses all that was created, the next start creates it again.
        """
        return True

    def creates_empty(self, record: Record) -> bool:
        """Report whether `create` makes an empty tree, whose root directory has the parent's attributes.

        An empty snapshot for which `is_unchanged` holds as well is committed without a sync: the next start makes
        its data again if a crash loses it.
        """
        return False

    def is_unchanged(self, record: Record) -> bool:
        """Report whether the root directory of a snapshot has the parent's attributes, as `create` makes it.

        Args:
            record: The active snapshot, after `finish`; it has a parent, and is empty.
        """
        return False

    def create_blocks(self, record: Record) -> bool:
        """Return whether `create` may take long; if not, many calls of it share one thread."""
        return True

    @abc.abstractmethod
    def create(self, record: Record, path: str) -> None:
        """Make the data of a new snapshot.

        Its tree is the parent's, including the root directory's mode, owner, extended attributes (and with them
        access control lists) and time of modification. The root directory of a tree without a parent has mode
        0755, the owner of this process, and no attributes.

        Args:
            record: The snapshot.
            path: Its path; nothing is there. The caller renames it to `path(record.id)`, or discards it if this
                method raises.
        """

    @abc.abstractmethod
    def mounts(self, record: Record) -> list[Mount]:
        """Return the mounts of an active snapshot or a view."""

    def mounts_vary(self, record: Record) -> bool:
        """Return whether `mounts` of a record may change although `is_pure`, because it looks at files."""
        return False

    @abc.abstractmethod
    def usage(self, record: Record) -> Usage:
        """Measure the data of a snapshot."""

    def finish(self, record: Record) -> Usage:
        """Measure an active snapshot for its commit.

        In the same walk, remove or replace marks of deletion that have no meaning above the parents that the
        commit gives it. Called before `rebase`, and again if a commit failed or a crash interrupted it,
        perhaps with another parent: refuse it if marks that it needs may have been removed for the first one.

        Args:
            record: The snapshot, with the parents that the commit gives it.
        """
        return self.usage(record)

    def finish_quickly(self, record: Record) -> Usage | None:
        """Finish as `finish` does if that and `commit` take only a few system calls; else return None.

        The default is None. Calls for which it returns a usage share one thread.
        """
        return None

    def rebase(self, record: Record) -> None:  # noqa: B027 - only where `rebases`
        """Give the root directory of a snapshot made without a parent the attributes of its new parent's.

        These are mode, owner and extended attributes, except those changed since `create`. Called before `commit`,
        and again if a commit failed.

        Args:
            record: The snapshot, with the parents that the commit gives it.
        """

    def commit(self, record: Record) -> None:  # noqa: B027 - few backends need it
        """Prepare the data of an active snapshot for its sync and commit."""

    def committed(self, record: Record) -> None:  # noqa: B027 - few backends need it
        """Discard data that only the active snapshot needed; its commit is durable.

        Called after each commit, and for every committed snapshot at the next start, in case of a crash in
        between. Failures are logged; the snapshot stays committed.
        """

    def undo_commit(self, record: Record) -> None:  # noqa: B027 - few backends need it
        """Discard data that `commit` made for a commit that was interrupted.

        Called for every active snapshot at the next start, unless it is being committed. Failures are logged.
        """

    def labels(self, id_: int) -> Mapping[str, str]:
        """Return labels to show with a snapshot, which are neither stored nor seen by filters."""
        return {}

    def destroy(self, path: str) -> None:
        """Delete the data of a removed snapshot at the path to which it was moved."""
        remove_tree(path)

    def close(self) -> None:  # noqa: B027 - not every backend holds something
        """Release all resources."""
