"""Deleting the record of a snapshot, even on a full disk."""

from __future__ import annotations

from lamina.snapshots.local._root import DataRoot
from lamina.snapshots.local._trash import PAUSES
from lamina.snapshots.storage import Keyspace, Record, SnapshotterStore
from lamina.steps import Steps
from lamina.store import remove_on_full_disk


def remove_record(keyspace: Keyspace, key: str, root: DataRoot, store: SnapshotterStore) -> Steps[Record]:
    """Delete the record of a snapshot and return it, freeing space if the disk is full.

    Args:
        keyspace: The keyspace of the snapshot.
        key: Its key.
        root: The data root, whose quarantine is emptied.
        store: The store, whose ballast is released.

    Raises:
        Error: As `Keyspace.remove`.
        ResourceExhausted: The disk is still full after that.
    """
    return remove_on_full_disk(lambda: keyspace.remove(key), lambda: _make_space(root, store), PAUSES)


def _make_space(root: DataRoot, store: SnapshotterStore) -> None:
    root.free_space()
    store.ballast.release()
