"""Leases, and the abstract `LeaseStore`."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping

import attrs


@attrs.frozen
class Lease:
    """Keeps its resources from being collected. `created` is in nanoseconds since 1970, UTC."""

    id: str
    labels: Mapping[str, str] = attrs.field(factory=dict)
    """`containerd.io/gc.expire`, a time in the form of RFC 3339, ends the lease; with `containerd.io/gc.flat`,
    resources do not keep what their labels refer to."""
    created: int = 0


@attrs.frozen
class Resource:
    """A thing that a lease keeps. It need not be there."""

    type: str
    """`content`, `ingests`, `images` or `snapshots/<snapshotter>`."""
    id: str
    """A digest, a ref, the name of an image, or the key of a snapshot."""


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
