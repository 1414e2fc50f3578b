"""Trees that were made without their parent, just before they are put on it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

import attrs

from lamina.errdefs import translated
from lamina.layers._target import opened_target, opened_view
from lamina.layers.applying import Applied, ParentNeeded, remove_idle_whiteouts
from lamina.mount import Mount


@attrs.frozen(eq=False, repr=False)
class RootAttributes:
    """The attributes that the root directory of a tree gets from the one below."""

    mode: int
    uid: int
    gid: int
    atime: int
    """Nanoseconds since 1970, UTC, as `mtime`."""
    mtime: int


def adapt_to_parent(
    applied: Applied, mounts: Sequence[Mount], parent: Sequence[Mount] | RootAttributes
) -> RootAttributes:
    """Adapt the tree of a `rebased` snapshot to its parent, so that it is as if it had been applied on top of it.

    Whiteouts that hide nothing are removed. The root directory gets the times of the parent's, unless the layer
    sets them; the other attributes it gets from the commit.

    Args:
        applied: The result of `Applier.apply`.
        mounts: The mounts of the snapshot.
        parent: The mounts of a view of the parent. If no whiteouts are unchecked, the attributes of its root
            directory suffice.

    Returns:
        The attributes of the root directory after the commit.

    Raises:
        ParentNeeded: The layer gives the root directory another mode or owner than the parent, which the commit
            may undo: apply the layer to a snapshot on the parent.
        ValueError: There are unchecked whiteouts, and no view.
        Error: As `Applier.apply`.
    """
    if applied.has_unchecked_whiteouts and isinstance(parent, RootAttributes):
        raise ValueError("unchecked whiteouts take a view of the parent")
    with opened_target(mounts, rebased=True) as target:
        if isinstance(parent, RootAttributes):
            below = parent
        else:
            with opened_view(parent) as view:
                below = _attributes(view)
                if applied.has_unchecked_whiteouts:
                    remove_idle_whiteouts(target.root, view)
        if applied.root is None:
            with translated("set the times of the root directory"):
                os.utime(target.root, ns=(below.atime, below.mtime))
        elif applied.root != (below.mode, below.uid, below.gid):
            raise ParentNeeded("the layer changes the mode or the owner of the root directory")
        own = _attributes(target.root)
        return attrs.evolve(below, atime=own.atime, mtime=own.mtime)


def _attributes(fd: int) -> RootAttributes:
    status = os.fstat(fd)
    mode = stat.S_IMODE(status.st_mode)
    return RootAttributes(mode, status.st_uid, status.st_gid, status.st_atime_ns, status.st_mtime_ns)
