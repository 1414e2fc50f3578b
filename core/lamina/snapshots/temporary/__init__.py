"""Temporary snapshots: active snapshots and views that live as long as the work that needs them.

A label says whose they are. When the owner has ended without removing them, they are leftovers, which
`remove_leftovers` removes. Their keys begin with `DIFF` or `EXTRACT`, so that leftovers are found without reading
the records of committed snapshots::

    owner = Owner()
    remove_leftovers(snapshotter, owner)
    with temporary_mounts(snapshotter, "base", owner) as mounts, opened_mount(mounts, read_only=True) as root:
        print(os.listdir(root))
"""

from lamina.snapshots.temporary._leftovers import remove_leftovers
from lamina.snapshots.temporary._mounts import discard, new_key, temporary_mounts
from lamina.snapshots.temporary._owner import DIFF, EXTRACT, LABEL, Owner

__all__ = ["DIFF", "EXTRACT", "LABEL", "Owner", "discard", "new_key", "remove_leftovers", "temporary_mounts"]
