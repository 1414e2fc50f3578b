"""Failed syncs known to the sources of a rebuild (`lamina.snapshots.storage.FailedSync`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import attrs

from lamina.snapshots.recovery._merge import Merged
from lamina.snapshots.recovery._scan import DataRootContents
from lamina.snapshots.storage.file import Contents


@attrs.frozen
class FailedSyncs:
    """The active snapshots whose commits will be refused."""

    last_ids: Mapping[str, int]
    """The highest identifier refused, by snapshotter."""
    unknown: Mapping[str, int]
    """The number of active snapshots refused because no source tells whether a sync failed, by snapshotter: in
    that case, all of them."""


def find_failed_syncs(
    merged: Merged,
    roots: Mapping[str, DataRootContents],
    metastores: Iterable[Contents],
    known: Collection[str],
) -> FailedSyncs:
    """Collect the failed syncs known to data roots and metastores.

    Args:
        merged: The restored snapshots.
        roots: The data roots in use, by snapshotter.
        metastores: The contents of the metastore, and of a backup.
        known: The snapshotters for which one of the metastores is up to date.
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
