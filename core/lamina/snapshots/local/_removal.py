"""Deleting the record of a snapshot, even on a full disk."""

from __future__ import annotations

import logging
import time

from lamina.context import current
from lamina.errdefs import DataLoss, Error, ResourceExhausted
from lamina.snapshots.local._root import DataRoot
from lamina.snapshots.local._trash import PAUSES
from lamina.snapshots.storage import Keyspace, Record, SnapshotterStore
from lamina.steps import BLOCKING, Steps

_log = logging.getLogger(__name__)


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
    has_failed = False
    for pause in PAUSES:
        try:
            return (yield from keyspace.remove(key))
        except ResourceExhausted:
            pass
        except DataLoss:
            # LMDB reports a short write as EIO (mdb_page_flush in mdb.c), and the disk may have had space again
            # when that was looked at. What failed is not stored, so a removal can be repeated.
            if has_failed:
                raise
            has_failed = True
        yield BLOCKING
        time.sleep(pause)
        current().check()
        _make_space(root, store)
    return (yield from keyspace.remove(key))


def _make_space(root: DataRoot, store: SnapshotterStore) -> None:
    """Release all reserves kept for a full disk: a removal itself takes some space."""
    try:
        root.free_space()
        store.ballast.release()
    except (Error, OSError) as error:
        _log.warning("could not make space for a removal", exc_info=error)
