"""The metadata of a host."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from lamina.context import current, use
from lamina.images import check_namespace
from lamina.metadata._contract import MetadataStore
from lamina.metadata._labels import StoredLabels
from lamina.metadata._node import snapshot
from lamina.metadata._protection import Protection
from lamina.metadata._tables import Tables, namespaces_in
from lamina.store import Store

if TYPE_CHECKING:
    from lamina.content import BlobLabels
    from lamina.images import TemporaryLease
    from lamina.metadata._images import NamedImages
    from lamina.metadata._leases import StoredLeases


class Metadata(MetadataStore):
    """The names of images, leases and the labels of blobs in tables of a store."""

    def __init__(self, tables: Tables) -> None:
        """Use `open`."""
        self._tables = tables
        self.protection = Protection()
        """The things that a collector must not remove, for `lamina.metadata.collection`."""
        self._labels = StoredLabels(tables.labels, self.protection)

    @classmethod
    def open(cls, store: Store) -> Metadata:
        """Return the metadata in a store, which stays the caller's. A process opens those of a store once.

        Raises:
            FailedPrecondition: A newer lamina wrote them.
        """
        return cls(Tables(store))

    @property
    def labels(self) -> BlobLabels:
        """The labels of blobs."""
        return self._labels

    def images(self, namespace: str) -> NamedImages:
        """Return the images of a namespace."""
        from lamina.metadata._images import NamedImages

        return NamedImages(self._tables, self.protection, check_namespace(namespace))

    def leases(self, namespace: str) -> StoredLeases:
        """Return the leases of a namespace."""
        from lamina.metadata._leases import StoredLeases

        return StoredLeases(self._tables, self.protection, check_namespace(namespace))

    @contextlib.contextmanager
    def temporary_lease(self, namespace: str) -> Iterator[TemporaryLease]:
        """Return a lease for the duration of a block."""
        from lamina.metadata._held_lease import HeldLease

        leases, durable = self.leases(namespace), current().lease
        if durable:
            leases.get(durable)
        self._record(namespace)  # an operation may leave snapshots, and be killed before it stores an image
        with HeldLease(self.protection, namespace) as lease:
            try:
                yield lease
            finally:
                if durable:
                    with use(current().detached()):
                        leases.add_all(durable, lease.resources())

    @contextlib.contextmanager
    def changing_snapshots(
        self, namespace: str, snapshotter: str, keys: Collection[str], labels: Mapping[str, str]
    ) -> Iterator[None]:
        """Keep snapshots from being collected while a block makes or changes them, and what they refer to."""
        from lamina.metadata._references import references

        check_namespace(namespace)
        snapshots = [snapshot(namespace, snapshotter, key) for key in keys if key]
        needed = [*snapshots, *(node for _, node in references(labels, namespace))]
        self._record(namespace)
        with self.protection.held(needed):
            for node in snapshots:
                self.protection.wait_for(node)
            yield

    def namespaces(self) -> list[str]:
        """Return the namespaces that have or had images or leases."""
        recorded = (key.decode() for key, _ in self._tables.namespaces.walk())
        return sorted({*recorded, *self._tables.images.read(namespaces_in)})

    def _record(self, namespace: str) -> None:
        if self._tables.namespaces.get(namespace.encode()) is None:
            self._tables.namespaces.write(lambda transaction: self._tables.record(namespace, transaction))
