"""Trees that were made without their parent, just before they are put on it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from lamina.errdefs import translated
from lamina.layers._target import opened_target, opened_view
from lamina.layers.applying import Applied, ParentNeeded, remove_idle_whiteouts
from lamina.mount import Mount


def adapt_to_parent(applied: Applied, mounts: Sequence[Mount], parent: Sequence[Mount]) -> None:
    """Adapt the tree of a `rebased` snapshot to its parent, so that it is as if it had been applied on top of it.

    Whiteouts that hide nothing are removed. The root directory gets the times of the parent's, unless the layer
    sets them; the other attributes it gets from the commit.

    Args:
        applied: What `Applier.apply` returned.
        mounts: The mounts of the snapshot.
        parent: The mounts of a view of the parent.

    Raises:
        ParentNeeded: The layer gives the root directory another mode or owner than the parent, which the commit
            may undo: apply the layer to a snapshot on the parent.
        Error: As `Applier.apply`.
    """
    with opened_target(mounts, rebased=True) as target, opened_view(parent) as below:
        status = os.fstat(below)
        if applied.root is None:
            with translated("set the times of the root directory"):
                os.utime(target.root, ns=(status.st_atime_ns, status.st_mtime_ns))
        elif applied.root != (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid):
            raise ParentNeeded("the layer changes the mode or the owner of the root directory")
        if applied.has_unchecked_whiteouts:
            remove_idle_whiteouts(target.root, below)
