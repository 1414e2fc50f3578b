"""Snapshotters that keep their data in a local directory.

`LocalSnapshotter` implements the contract on a `Backend`, which makes, mounts, measures and deletes the data.
"""

from typing import TYPE_CHECKING

from lamina.lazy import lazy_exports

if TYPE_CHECKING:
    from lamina.snapshots.local._backend import Backend
    from lamina.snapshots.local._opening import open_data_root
    from lamina.snapshots.local._repairs import quarantine_data, write_recovery_records
    from lamina.snapshots.local._snapshotter import LocalSnapshotter

__all__ = ["Backend", "LocalSnapshotter", "open_data_root", "quarantine_data", "write_recovery_records"]

__getattr__ = lazy_exports(
    __name__,
    {
        "_backend": "Backend",
        "_opening": "open_data_root",
        "_repairs": "quarantine_data write_recovery_records",
        "_snapshotter": "LocalSnapshotter",
    },
)
