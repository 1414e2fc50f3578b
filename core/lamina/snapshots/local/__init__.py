"""What snapshotters that keep their data in a local directory have in common.

`LocalSnapshotter` is the whole contract; a `Backend` is what differs: how a snapshot's data is made, mounted,
measured and destroyed.
"""

from lamina.snapshots.local._backend import Backend
from lamina.snapshots.local._mending import quarantine_data, write_recovery_records
from lamina.snapshots.local._snapshotter import LocalSnapshotter

__all__ = ["Backend", "LocalSnapshotter", "quarantine_data", "write_recovery_records"]
