"""The metastore: the records of all snapshotters, in one LMDB environment.

`MetaStore` is the metastore of a host. `MetaStore.snapshotter` returns a `SnapshotterStore`, which reserves
identifiers and returns a `Keyspace` for each client name of the snapshotter. A keyspace has the operations of the
snapshotter contract on records; it does not touch data.

Modules that no start of a host needs are imported separately: `file` and `recovery_record`.
"""

from lamina.snapshots.storage._failed_sync import FAILED_SYNC, failed_sync_in
from lamina.snapshots.storage._keyspace import Keyspace
from lamina.snapshots.storage._layout import shorten
from lamina.snapshots.storage._message import with_labels
from lamina.snapshots.storage._metastore import MetaStore
from lamina.snapshots.storage._record import Record, id_in, info_message
from lamina.snapshots.storage._snapshotter_store import SnapshotterStore

__all__ = [
    "FAILED_SYNC",
    "Keyspace",
    "MetaStore",
    "Record",
    "SnapshotterStore",
    "failed_sync_in",
    "id_in",
    "info_message",
    "shorten",
    "with_labels",
]
