"""Remove what an owner left behind whose process was killed."""

from __future__ import annotations

import logging
from typing import Final

from lamina.context import current
from lamina.errdefs import NotFound
from lamina.snapshots._contract import Kind, Snapshotter
from lamina.snapshots.temporary._owner import DIFF, EXTRACT, LABEL, Owner

_log = logging.getLogger(__name__)

_END: Final = "extract."
"""The first text after all that begin with `DIFF` or `EXTRACT`: `.` follows `-` in ASCII."""


def remove_leftovers(snapshotter: Snapshotter, owner: Owner) -> None:
    """Remove the temporary snapshots whose owners have ended.

    Nothing else is removed: keys of containerd, which look the same, do not have the label.

    Args:
        snapshotter: The snapshotter, in the keyspace where they may be.
        owner: The owner of those that are in use.
    """
    found = []
    for info in snapshotter.walk():  # in byte order, so it need not reach the committed ones
        current().check()
        if info.name >= _END:
            break
        if (
            info.name.startswith((DIFF, EXTRACT))
            and info.kind is not Kind.COMMITTED
            and (label := info.labels.get(LABEL))
        ):
            found.append((info.name, label))
    for key, label in found:
        if owner.is_abandoned(key, label):
            _log.info("removing a temporary snapshot that was left behind", extra={"key": key})
            try:
                snapshotter.remove(key)
            except NotFound:  # another owner does the same
                continue
