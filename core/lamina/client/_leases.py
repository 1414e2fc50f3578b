"""`ProxyLeaseStore`: the leases behind a socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lamina.api import encode, lease_from_proto
from lamina.api.messages import leases_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.client._connection import ServiceClient
from lamina.errdefs import NotFound
from lamina.metadata import Lease, LeaseStore, Resource


class ProxyLeaseStore(ServiceClient, LeaseStore):
    """Forwards every call to a leases service."""

    service = "containerd.services.leases.v1.Leases"

    def create(self, id: str = "", labels: Mapping[str, str] | None = None) -> Lease:  # noqa: A002 - containerd's word
        request = encode(pb.CreateRequest, id=id, labels=labels or {})
        return lease_from_proto(self._call("Create", request, pb.CreateResponse).lease)

    def get(self, id: str) -> Lease:  # noqa: A002 - containerd's word
        """Return a lease. The service has no such method, so this reads the list."""
        found = next((lease for lease in self.list() if lease.id == id), None)
        if found is None:
            raise NotFound(f"lease {id!r} does not exist")
        return found

    def list(self, *filters: str) -> Iterator[Lease]:
        request = encode(pb.ListRequest, filters=filters)
        yield from map(lease_from_proto, self._call("List", request, pb.ListResponse).leases)

    def delete(self, id: str) -> None:  # noqa: A002 - containerd's word
        self._call("Delete", encode(pb.DeleteRequest, id=id), Empty)

    def add(self, id: str, resource: Resource) -> None:  # noqa: A002 - containerd's word
        self._call("AddResource", encode(pb.AddResourceRequest, id=id, resource=_message(resource)), Empty)

    def remove(self, id: str, resource: Resource) -> None:  # noqa: A002 - containerd's word
        request = encode(pb.DeleteResourceRequest, id=id, resource=_message(resource))
        self._call("DeleteResource", request, Empty)

    def resources(self, id: str) -> Iterator[Resource]:  # noqa: A002 - containerd's word
        request = encode(pb.ListResourcesRequest, id=id)
        for one in self._call("ListResources", request, pb.ListResourcesResponse).resources:
            yield Resource(type=one.type, id=one.id)


def _message(resource: Resource) -> pb.Resource:
    return encode(pb.Resource, id=resource.id, type=resource.type)
