"""Snapshotters that keep their data in a local directory.

`LocalSnapshotter` implements the contract on a `Backend`, which makes, mounts, measures and deletes the data.
"""

from lamina.snapshots.local._backend import Backend
from lamina.snapshots.local._repairs import quarantine_data, write_recovery_records
from lamina.snapshots.local._snapshotter import LocalSnapshotter

__all__ = ["Backend", "LocalSnapshotter", "quarantine_data", "write_recovery_records"]
