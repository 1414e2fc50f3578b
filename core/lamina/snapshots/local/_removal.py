"""Deleting the record of a snapshot, on a full disk too."""

from __future__ import annotations

import logging
import time
from typing import Final

from lamina.context import current
from lamina.errdefs import Error, ResourceExhausted
from lamina.snapshots.local._root import DataRoot
from lamina.snapshots.storage import Keyspace, Record, SnapshotterStore
from lamina.steps import BLOCKING, Steps

_log = logging.getLogger(__name__)

_PAUSES: Final = (0.0, 0.05, 0.2, 0.8)
"""Seconds before each further attempt to remove a snapshot on a full disk: btrfs gives space back late."""


def remove_record(keyspace: Keyspace, key: str, root: DataRoot, store: SnapshotterStore) -> Steps[Record]:
    """Delete the record of a snapshot and return it, with space that is made for it where the disk is full.

    Args:
        keyspace: Where the snapshot is.
        key: Its key.
        root: The data root, which may have something to spare.
        store: Has the ballast, which is given up.

    Raises:
        Error: As `Keyspace.remove`.
        ResourceExhausted: All that could be given up is not enough.
    """
    for pause in _PAUSES:
        try:
            return (yield from keyspace.remove_steps(key))
        except ResourceExhausted:
            yield BLOCKING
        time.sleep(pause)
        current().check()
        _make_space(root, store)
    return (yield from keyspace.remove_steps(key))


def _make_space(root: DataRoot, store: SnapshotterStore) -> None:
    """Give up all that is kept for a full disk, so that a removal has the space that it takes itself."""
    try:
        root.free_space()
        store.ballast.release()
    except (Error, OSError) as error:
        _log.warning("could not make space for a removal", exc_info=error)
