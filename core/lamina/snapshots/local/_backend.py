"""What differs between local snapshotters."""

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
    """How the data of snapshots is made, mounted, measured and destroyed.

    Called from any thread, and from several at a time. Long work asks `lamina.context.current().check()` as it
    goes. OSErrors may pass: `LocalSnapshotter` raises them as `lamina.errdefs` classes.
    """

    rebases: ClassVar[bool] = False
    """Whether a snapshot that was made without a parent can be put on one when it is committed: whether its data
    is only what is different from the parent's, whatever that is. If so, `rebase` makes its root directory fit."""

    freezes: ClassVar[bool] = False
    """Whether what was committed can no longer be changed through mounts and open files of the active snapshot. If
    not, `LocalSnapshotter` logs each commit of one that is still mounted in its own mount namespace."""

    def __init__(self, root: str) -> None:
        """Keep data below a directory.

        Args:
            root: Its absolute path. `LocalSnapshotter.open` makes it.
        """
        self.root = root
        self.snapshots = os.path.join(root, "snapshots", "")
        """The directory of all snapshots' data, with a slash behind it."""

    def open(self) -> None:  # noqa: B027 - not every backend keeps something
        """Make, or check, what the backend itself keeps in the data root. No other process uses that now.

        On a full or read-only disk the backend goes without it as far as it can.
        """

    def path(self, id_: int) -> str:
        """Where the data of the snapshot with that identifier is."""
        return f"{self.snapshots}{id_}"

    def has_data(self, record: Record) -> bool:
        """Whether a snapshot has data of its own; if not, `create` makes nothing."""
        return True

    def mend(self, record: Record) -> bool:
        """Make whole what a crash has left of a snapshot's data; return False where there is nothing to keep.

        After a crash a directory may be there without what was made in it before it got its name: btrfs replays
        its log of what was synced, and of the directories that lead there, but not of all that is in them.
        """
        return os.path.lexists(self.path(record.id))

    def needs_sync(self, record: Record) -> bool:
        """Whether what `create` makes must be on disk before the snapshot is there: contents of files must be.

        Names need not: where a crash loses the whole of what was created, it is created again.
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

    def creates_quickly(self, record: Record) -> bool:
        """Whether `create` takes no more than a few system calls. If so, many calls may share one thread."""
        return False

    def commits_quickly(self, record: Record) -> bool:
        """As `creates_quickly`: whether `usage` and `commit` do."""
        return False

    @abc.abstractmethod
    def create(self, record: Record, path: str) -> None:
        """Make the data of a new snapshot.

        Its tree is the parent's, root directory included: mode, owner, extended attributes (access control lists
        among them) and time of modification. The root directory of a tree without a parent has mode 0755, the
        owner that this process has, and no attributes.

        Args:
            record: The snapshot.
            path: Where to make it: nothing is there. It is moved to `path(record.id)` when it is whole, and
                discarded otherwise.
        """

    @abc.abstractmethod
    def mounts(self, record: Record) -> list[Mount]:
        """The mounts that show an active snapshot or a view."""

    @abc.abstractmethod
    def usage(self, record: Record) -> Usage:
        """What the data of a snapshot takes up now."""

    def finish(self, record: Record) -> Usage:
        """Measure an active snapshot for its commit.

        Where layers have marks for what is deleted of those below, the marks that mean nothing under the parents
        that the snapshot will have are removed in the same walk, or replaced by others. Called before `rebase`;
        and again after a commit that failed, or that a crash interrupted.

        Args:
            record: The snapshot, with the parents that it will have.
        """
        return self.usage(record)

    def rebase(self, record: Record) -> None:  # noqa: B027 - only where `rebases`
        """Give the root directory of an active snapshot without a parent what its new parent's has.

        That is mode, owner and extended attributes, each where it still is as `create` made it. Called before
        `commit`; and again, maybe with another parent, after a commit that failed.

        Args:
            record: The snapshot, with the parents that it will have.
        """

    def commit(self, record: Record) -> None:  # noqa: B027 - not every backend has something to do
        """Do what must be done to the data of an active snapshot before it is made durable and committed."""

    def committed(self, record: Record) -> None:  # noqa: B027 - not every backend has something to do
        """Give up what only the active snapshot needed: its commit is durable.

        Called after a commit, and for every committed snapshot at the next start, since a crash may come between.
        A failure is logged; the snapshot is committed nevertheless.
        """

    def labels(self, id_: int) -> Mapping[str, str]:
        """Labels that are shown with the snapshot of that identifier, but neither stored nor seen by filters."""
        return {}

    def destroy(self, path: str) -> None:
        """Delete the data of a removed snapshot, wherever it has been moved to."""
        remove_tree(path)

    def close(self) -> None:  # noqa: B027 - not every backend holds something
        """Release what is held."""
