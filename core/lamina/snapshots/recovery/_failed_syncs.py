"""What is known of failed syncs when a metastore is made anew (`lamina.snapshots.storage.FailedSync`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import attrs

from lamina.snapshots.recovery._merge import Merged
from lamina.snapshots.recovery._scan import DataRootContents
from lamina.snapshots.storage.file import Contents


@attrs.frozen
class FailedSyncs:
    """The active snapshots that are refused at their commit."""

    last_ids: Mapping[str, int]
    """By snapshotter, the highest identifier that is refused."""
    unknown: Mapping[str, int]
    """By snapshotter of which nothing says whether a sync failed, how many active snapshots are refused for that:
    all that there are."""


def find_failed_syncs(
    merged: Merged,
    roots: Mapping[str, DataRootContents],
    metastores: Iterable[Contents],
    known: Collection[str],
) -> FailedSyncs:
    """Put together what data roots and metastores say.

    Args:
        merged: The snapshots that there are.
        roots: The data roots that are used, by snapshotter.
        metastores: What can be read of the metastore, and of a backup.
        known: The snapshotters of which one of the metastores says what there is now.
    """
    last_ids: dict[str, int] = {}
    unknown: dict[str, int] = {}
    for name in merged.contents.counters:
        root = roots.get(name, DataRootContents(""))
        told = [one.failed_syncs.get(name, 0) for one in metastores if root.uuid in {"", one.uuid}]
        active = merged.active(name)
        if root.failed_sync is not None:
            told.append(root.failed_sync)
        elif name not in known and active:
            told.append(max(active))
            unknown[name] = len(active)
        if last_id := max(told, default=0):
            last_ids[name] = last_id
    return FailedSyncs(last_ids, unknown)
