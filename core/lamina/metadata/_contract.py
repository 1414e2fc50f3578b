"""The abstract `MetadataStore`."""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.content import BlobLabels
    from lamina.images import ImageStore, TemporaryLease
    from lamina.metadata._leases import LeaseStore


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
        """Return a lease for the time of a block, which is kept in memory.

        What it has when the block ends without an error is not protected by its age. If the current call has a
        lease, everything is added to that, too, when the block ends.

        Args:
            namespace: The namespace of the snapshots.

        Raises:
            InvalidArgument: The namespace is malformed.
            NotFound: There is no such lease as the current call has, when the block begins or ends.
        """

    @abc.abstractmethod
    def changing_snapshots(
        self, namespace: str, snapshotter: str, keys: Collection[str], labels: Mapping[str, str]
    ) -> AbstractContextManager[None]:
        """Keep snapshots from being collected while a block makes or changes them, and what they refer to then.

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
