"""The metastore: what snapshotters remember, in one LMDB environment.

`MetaStore` is the environment of a host. `MetaStore.snapshotter` gives a `SnapshotterStore`, which hands out
identifiers, and that gives a `Keyspace` for every name under which the snapshotter is used. A keyspace has the
operations of the snapshotter contract on records; files are not its business.

What no start of a host needs has modules of its own: `file`, and `recovery_record`.
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
