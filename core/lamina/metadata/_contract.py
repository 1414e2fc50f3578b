"""The abstract `MetadataStore` and `LeaseStore`."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.content import BlobLabels
    from lamina.images import ImageStore, TemporaryLease
    from lamina.metadata._resources import Lease, Resource


class MetadataStore(abc.ABC):
    """Keeps the names of images, leases, and the labels of blobs. Every method may be called from any thread."""

    @property
    @abc.abstractmethod
    def labels(self) -> BlobLabels:
        """The labels of blobs, which all namespaces share."""

    @abc.abstractmethod
    def images(self, namespace: str) -> ImageStore:
        """Return the images of a namespace, which need not have any.

        Raises:
            InvalidArgument: The namespace is malformed (`lamina.images.check_namespace`).
        """

    @abc.abstractmethod
    def leases(self, namespace: str) -> LeaseStore:
        """Return the leases of a namespace, which need not have any.

        Raises:
            InvalidArgument: The namespace is malformed.
        """

    @abc.abstractmethod
    def temporary_lease(self, namespace: str) -> AbstractContextManager[TemporaryLease]:
        """Return a lease for the duration of a block, kept in memory.

        Its resources are not protected by their age if the block ends without an error. If the current call has a
        durable lease, they are added to that, too, when the block ends.

        Args:
            namespace: The namespace of the snapshots.

        Raises:
            InvalidArgument: The namespace is malformed.
            NotFound: The lease of the current call does not exist when the block begins or ends.
        """

    @abc.abstractmethod
    def changing_snapshots(
        self, namespace: str, snapshotter: str, keys: Collection[str], labels: Mapping[str, str]
    ) -> AbstractContextManager[None]:
        """Keep snapshots, and things that they refer to, from being collected while a block makes or changes them.

        Args:
            namespace: The namespace in whose keyspace they are.
            snapshotter: The id of the snapshotter.
            keys: The snapshots: those that are made, their parents, those that get labels.
            labels: The labels that they get.

        Raises:
            InvalidArgument: The namespace is malformed.
            Canceled, DeadlineExceeded: The current call ended while one of them was being removed.
        """

    @abc.abstractmethod
    def namespaces(self) -> list[str]:
        """Return the namespaces that have or had images or leases, in alphabetical order."""


class LeaseStore(abc.ABC):
    """Keeps the leases of one namespace. Every method may be called from any thread.

    Methods raise `lamina.errdefs` classes; each lists those that it adds to `InvalidArgument` (a malformed id or
    label).
    """

    @abc.abstractmethod
    def create(self, id: str = "", labels: Mapping[str, str] | None = None) -> Lease:  # noqa: A002 - containerd's word
        """Store a new lease, and return it.

        Args:
            id: Its id; "" for a random one.
            labels: Its labels.

        Raises:
            AlreadyExists: A lease has the id.
        """

    @abc.abstractmethod
    def get(self, id: str) -> Lease:  # noqa: A002 - containerd's word
        """Return a lease.

        Raises:
            NotFound: There is no such lease.
        """

    @abc.abstractmethod
    def list(self, *filters: str) -> Iterator[Lease]:
        """Yield every lease that matches any of the filters (all without filters), in byte order of the ids.

        Filters know the fields `id` and `labels.<key>`.

        Raises:
            FilterSyntaxError: A filter does not follow the grammar. Raised before the first item.
        """

    @abc.abstractmethod
    def delete(self, id: str) -> None:  # noqa: A002 - containerd's word
        """Delete a lease. Its resources stay until a collection finds that nothing else needs them.

        Raises:
            NotFound: There is no such lease.
        """

    @abc.abstractmethod
    def add(self, id: str, resource: Resource) -> None:  # noqa: A002 - containerd's word
        """Add a resource to a lease, which may have it already.

        Raises:
            NotFound: There is no such lease.
            Unimplemented: The type of the resource is unknown.
        """

    @abc.abstractmethod
    def remove(self, id: str, resource: Resource) -> None:  # noqa: A002 - containerd's word
        """Remove a resource from a lease, which need not have it.

        Raises:
            NotFound: There is no such lease.
            Unimplemented: The type of the resource is unknown.
        """

    @abc.abstractmethod
    def resources(self, id: str) -> Iterator[Resource]:  # noqa: A002 - containerd's word
        """Yield the resources of a lease.

        Raises:
            NotFound: There is no such lease. Raised before the first item.
        """
