"""The tables of the metadata."""

from __future__ import annotations

import attrs

from lamina.store import Store, Table, TableTransaction


@attrs.frozen(eq=False, repr=False)
class Tables:
    """The tables, which a transaction can cover together."""

    images: Table
    """Images under namespace, NUL and name."""
    labels: Table
    """The labels of blobs under their digests."""
    namespaces: Table
    """The namespaces that have or had images or leases, which may have snapshots."""
    leases: Table
    """Leases under namespace, NUL and id."""
    resources: Table
    """Resources under namespace, NUL, the lease's id, NUL and a digest of the resource."""

    @classmethod
    def open(cls, store: Store) -> Tables:
        """Return the tables of a store.

        Raises:
            FailedPrecondition: A newer lamina wrote them.
        """
        owners = ("images", "content", "namespaces", "leases", "leased")
        return cls(*(store.table(owner, version=1) for owner in owners))

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
