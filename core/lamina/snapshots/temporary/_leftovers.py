"""Remove what unpacks left behind whose process was killed."""

from __future__ import annotations

import logging
from typing import Final

from lamina.context import current
from lamina.errdefs import NotFound
from lamina.images.unpack._owner import LABEL, Owner
from lamina.snapshots import Kind, Snapshotter

_log = logging.getLogger(__name__)

PREFIX: Final = "extract-"
"""The beginning of all keys, as of containerd's (`UnpackKeyFormat`). For these,
lamina's overlay snapshotter returns mounts that need no parent for whiteouts."""
_END: Final = "extract."
"""The first text after all that begin with `PREFIX`: `.` follows `-` in ASCII."""


def remove_leftovers(snapshotter: Snapshotter, owner: Owner) -> None:
    """Remove the active snapshots and views of unpacks that were killed.

    Nothing else is removed: keys of containerd, which look the same, do not have the label.

    Args:
        snapshotter: The snapshotter, in the keyspace of the images.
        owner: The owner of those that are in use.
    """
    found = []
    for info in snapshotter.walk():  # in byte order, so it need not go on to the committed ones
        current().check()
        if info.name >= _END:
            break
        if info.name.startswith(PREFIX) and info.kind is not Kind.COMMITTED and (label := info.labels.get(LABEL)):
            found.append((info.name, label))
    for key, label in found:
        if owner.is_abandoned(key, label):
            _log.info("removing what an interrupted unpack left behind", extra={"key": key})
            try:
                snapshotter.remove(key)
            except NotFound:  # another unpack does the same
                continue
