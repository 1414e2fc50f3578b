"""The tables of the metadata."""

from __future__ import annotations

from lamina.store import Store, TableTransaction


class Tables:
    """The tables, which a transaction can cover together."""

    def __init__(self, store: Store) -> None:
        """Open the tables of a store.

        Raises:
            FailedPrecondition: A newer lamina wrote them.
        """
        self.images = store.table("images", version=1)
        """Images under namespace, NUL and name."""
        self.labels = store.table("content", version=1)
        """The labels of blobs under their digests."""
        self.namespaces = store.table("namespaces", version=1)
        """The namespaces that have or had images or leases, which may have snapshots."""
        self.leases = store.table("leases", version=1)
        """Leases under namespace, NUL and id."""
        self.resources = store.table("leased", version=1)
        """Resources under namespace, NUL, the lease's id, NUL and a digest of the resource."""

    def record(self, namespace: str, transaction: TableTransaction) -> None:
        """Note in a transaction of any of the tables that a namespace exists."""
        namespaces, key = self.namespaces.within(transaction), namespace.encode()
        if namespaces.get(key) is None:
            namespaces.put(key, b"{}")


def namespaces_in(transaction: TableTransaction) -> list[str]:
    """Return the namespaces in a table whose keys begin with them, without reading all of it."""
    found: list[str] = []
    start = b""
    while entry := next(transaction.ascending(start=start), None):
        namespace, _, _ = entry[0].partition(b"\0")
        found.append(namespace.decode())
        start = namespace + b"\1"
    return found
