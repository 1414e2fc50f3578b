"""The protection of the blobs and snapshots that an operation works with."""

from __future__ import annotations

from typing import Protocol


class TemporaryLease(Protocol):
    """Keeps blobs and snapshots from being collected until the operation that names them ends.

    An operation names everything that it uses or makes, each before it checks whether it is there: what is found
    afterwards stays. Every method may be called from any thread.
    """

    def add_blob(self, digest: str) -> None:
        """Keep a blob, which need not be there.

        Raises:
            Canceled, DeadlineExceeded: The current call ended while the blob was being removed.
        """

    def add_snapshot(self, snapshotter: str, key: str) -> None:
        """Keep a snapshot, which need not be there.

        Args:
            snapshotter: The id of the snapshotter. The keyspace is that of the lease's namespace
                (`lamina.images.keyspace_of`).
            key: The name of a committed snapshot.

        Raises:
            Canceled, DeadlineExceeded: The current call ended while the snapshot was being removed.
        """
