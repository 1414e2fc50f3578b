"""The leases of one namespace."""

from __future__ import annotations

import functools
import json
import os
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

import attrs

from lamina.content import check_digest
from lamina.errdefs import AlreadyExists, DataLoss, InvalidArgument, NotFound, Unimplemented
from lamina.labels import check_labels
from lamina.metadata._batches import batches
from lamina.metadata._contract import LeaseStore
from lamina.metadata._node import BLOB, Node, blob, image, snapshot
from lamina.metadata._protection import Protection
from lamina.metadata._resources import Lease, Resource
from lamina.metadata._tables import Tables
from lamina.store import TableTransaction, shorten

ID_LIMIT: Final = 256
"""Maximum length of a lease's id in bytes."""
_BATCH: Final = 256
"""Maximum number of resources that one transaction adds or deletes."""
_TRIES: Final = 16
"""The number of random ids to try."""


class StoredLeases(LeaseStore):
    """The leases of one namespace, and their resources, in tables."""

    def __init__(self, tables: Tables, protection: Protection, namespace: str) -> None:
        """Use `Metadata.leases`."""
        self._tables = tables
        self._protection = protection
        self._namespace = namespace

    def create(self, id: str = "", labels: Mapping[str, str] | None = None) -> Lease:  # noqa: A002 - containerd's word
        """Store a new lease."""
        lease = Lease(id, check_labels(labels or {}), time.time_ns())
        if id:
            return self._create(lease)
        for _ in range(_TRIES):
            try:
                return self._create(attrs.evolve(lease, id=_random_id()))
            except AlreadyExists:
                continue
        raise AlreadyExists("create a lease: every random id that was tried is taken; try again")

    def _create(self, lease: Lease) -> Lease:
        key = self._key(lease.id)

        def body(transaction: TableTransaction) -> Lease:
            if transaction.get(key) is not None:
                raise AlreadyExists(f"lease {shorten(lease.id)} already exists")
            transaction.put(key, _encoded({"labels": lease.labels, "created": lease.created}))
            self._tables.record(self._namespace, transaction)
            return lease

        return self._tables.leases.write(body)

    def get(self, id: str) -> Lease:  # noqa: A002 - containerd's word
        """Return a lease."""
        key = self._key(id)
        return self._tables.leases.read(lambda transaction: _read(transaction, key, id))

    def list(self, *filters: str) -> Iterator[Lease]:
        """Yield the leases that match."""
        if not filters:
            return self._all()
        from lamina.filters import parse

        chosen = parse(*filters)
        return (lease for lease in self._all() if chosen.match(_fields(lease)))

    def _all(self) -> Iterator[Lease]:
        prefix = f"{self._namespace}\0".encode()
        for key, data in self._tables.leases.walk(prefix):
            yield _decode(key[len(prefix) :].decode(), data)

    def delete(self, id: str) -> None:  # noqa: A002 - containerd's word
        """Delete a lease, after most of its resources if there are many."""
        self.delete_if(id, lambda lease: True)

    def delete_if(self, id: str, condition: Callable[[Lease], bool]) -> bool:  # noqa: A002 - containerd's word
        """Delete a lease if a condition holds for it then; return whether it was deleted.

        Raises:
            NotFound: There is no such lease.
        """
        key = self._key(id)

        def body(transaction: TableTransaction) -> bool | None:
            """Return whether the lease was deleted; None if it has more resources."""
            if not condition(_read(transaction, key, id)):
                return False
            resources = self._tables.resources.within(transaction)
            batch = [found for found, _ in islice(resources.ascending(key + b"\0"), _BATCH)]
            for found in batch:
                resources.delete(found)
            if len(batch) == _BATCH:
                return None
            return transaction.delete(key)

        while (is_deleted := self._tables.leases.remove(body)) is None:
            pass
        return is_deleted

    def add(self, id: str, resource: Resource) -> None:  # noqa: A002 - containerd's word
        """Add a resource to a lease."""
        self.add_all(id, [resource])

    def add_all(self, id: str, resources: Iterable[Resource]) -> None:  # noqa: A002 - containerd's word
        """Add resources to a lease, durably and in batches, and wait until none of them is being removed.

        Raises:
            NotFound: There is no such lease.
        """
        nodes = {one: resource_node(one, self._namespace) for one in resources}
        with self._protection.held([node for node in nodes.values() if node]):
            for batch in batches(nodes, _BATCH):
                self._tables.leases.write(functools.partial(self.put, id=id, resources=batch))
        for node in filter(None, nodes.values()):
            self._protection.wait_for(blob(node.name) if node.kind == BLOB else node)

    def put(self, transaction: TableTransaction, id: str, resources: Iterable[Resource]) -> None:  # noqa: A002 - containerd's word
        """Add resources to a lease in a transaction of any table.

        Raises:
            NotFound: There is no such lease.
        """
        _read(self._tables.leases.within(transaction), self._key(id), id)
        table = self._tables.resources.within(transaction)
        for one in resources:
            table.put(self._resource_key(id, one), _encoded({"type": one.type, "id": one.id}))

    def remove(self, id: str, resource: Resource) -> None:  # noqa: A002 - containerd's word
        """Remove a resource from a lease."""
        resource_node(resource, self._namespace)

        def body(transaction: TableTransaction) -> None:
            _read(transaction, self._key(id), id)
            self.discard(transaction, id, resource)

        self._tables.leases.remove(body)

    def discard(self, transaction: TableTransaction, id: str, resource: Resource) -> None:  # noqa: A002 - containerd's word
        """Remove a resource from a lease, neither of which need be there, in a transaction of any table."""
        self._tables.resources.within(transaction).delete(self._resource_key(id, resource))

    def resources(self, id: str) -> Iterator[Resource]:  # noqa: A002 - containerd's word
        """Yield the resources of a lease."""
        self.get(id)
        return self.resources_of(id)

    def resources_of(self, id: str) -> Iterator[Resource]:  # noqa: A002 - containerd's word
        """Yield the resources of a lease, which may have been deleted."""
        return (_resource(data) for _, data in self._tables.resources.walk(self._key(id) + b"\0"))

    def _key(self, id: str) -> bytes:  # noqa: A002 - containerd's word
        try:
            data = id.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgument(f"lease {shorten(id)}: its id is not Unicode text: {error.reason}") from None
        if not 0 < len(data) <= ID_LIMIT or b"\0" in data:
            raise InvalidArgument(f"lease {shorten(id)}: expected an id of 1 to {ID_LIMIT} bytes without NUL")
        return self._namespace.encode() + b"\0" + data

    def _resource_key(self, id: str, resource: Resource) -> bytes:  # noqa: A002 - containerd's word
        import hashlib

        name = f"{resource.type}\0{resource.id}".encode(errors="surrogatepass")
        return self._key(id) + b"\0" + hashlib.sha256(name).digest()


def resource_node(resource: Resource, namespace: str) -> Node | None:
    """Return the node of a resource; None for an ingest, which a content store removes when it expires.

    Raises:
        InvalidArgument: The type or the id is malformed.
        Unimplemented: The type is unknown.
    """
    kind, slash, snapshotter = resource.type.partition("/")
    shown = resource.type[:64]
    if kind not in ("content", "ingests", "images", "snapshots"):
        raise Unimplemented(
            f"resource type {shown!r} is not supported: use content, ingests, images or snapshots/ID"
        )
    if kind == "snapshots" and (not snapshotter or "/" in snapshotter):
        raise InvalidArgument(f"resource type {shown!r}: expected snapshots/ID with the id of a snapshotter")
    if kind != "snapshots" and slash:
        raise InvalidArgument(f"resource type {shown!r}: expected {kind}")
    if not resource.id:
        raise InvalidArgument(f"resource of type {shown}: its id must not be empty")
    match kind:
        case "content":
            return blob(check_digest(resource.id), namespace)
        case "images":
            return image(namespace, resource.id)
        case "snapshots":
            return snapshot(namespace, snapshotter, resource.id)
    return None


def _read(transaction: TableTransaction, key: bytes, id: str) -> Lease:  # noqa: A002 - containerd's word
    data = transaction.get(key)
    if data is None:
        raise NotFound(f"lease {shorten(id)} does not exist")
    return _decode(id, data)


def _encoded(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _decode(id: str, data: bytes) -> Lease:  # noqa: A002 - containerd's word
    try:
        return Lease(id, **json.loads(data))
    except (ValueError, TypeError) as error:
        raise DataLoss(f"the record of lease {shorten(id)} cannot be read: {error}") from error


def _resource(data: bytes) -> Resource:
    try:
        return Resource(**json.loads(data))
    except (ValueError, TypeError) as error:
        raise DataLoss(f"a resource of a lease cannot be read: {error}") from error


def _random_id() -> str:
    """Return a new id in the form of containerd's."""
    return f"{time.time_ns() % 1_000_000_000}-{urlsafe_b64encode(os.urandom(3)).decode()}"


def _fields(lease: Lease) -> Callable[[tuple[str, ...]], str | None]:
    """Return a function that looks up the fields known to filters."""

    def field(path: tuple[str, ...]) -> str | None:
        match path:
            case ("id",):
                return lease.id
            case ("labels", *rest):
                return lease.labels.get(".".join(rest))
        return None

    return field
