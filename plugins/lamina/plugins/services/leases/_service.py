"""`containerd.services.leases.v1.Leases`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lamina.api import Handlers, encode, lease_to_proto
from lamina.api.messages import leases_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.images import current_namespace
from lamina.metadata import Resource

if TYPE_CHECKING:
    from lamina.metadata import LeaseStore
    from lamina.metadata.collection import GarbageCollector


class LeasesService:
    """The leases of the namespace of each call (`lamina.images.current_namespace`)."""

    def __init__(self, leases: Callable[[str], LeaseStore], collector: Callable[[], GarbageCollector]) -> None:
        """Create the service.

        Args:
            leases: Returns the leases of a namespace, or raises the reason why they are not available.
            collector: Returns the collector of a deleted lease's resources, or raises why it is not available.
        """
        self._leases = leases
        self._collector = collector
        self.handlers: Handlers = {
            "Create": (pb.CreateRequest, self._create),
            "Delete": (pb.DeleteRequest, self._delete),
            "List": (pb.ListRequest, self._list),
            "AddResource": (pb.AddResourceRequest, self._add),
            "DeleteResource": (pb.DeleteResourceRequest, self._remove),
            "ListResources": (pb.ListResourcesRequest, self._list_resources),
        }

    def _store(self) -> LeaseStore:
        return self._leases(current_namespace())

    def _create(self, request: pb.CreateRequest) -> pb.CreateResponse:
        created = self._store().create(request.id, dict(request.labels))
        return encode(pb.CreateResponse, lease=lease_to_proto(created))

    def _delete(self, request: pb.DeleteRequest) -> Empty:
        collector = self._collector() if request.sync else None
        self._store().delete(request.id)
        for _ in collector.collect() if collector else ():
            pass
        return Empty()

    def _list(self, request: pb.ListRequest) -> pb.ListResponse:
        found = self._store().list(*request.filters)
        return encode(pb.ListResponse, leases=[lease_to_proto(lease) for lease in found])

    def _add(self, request: pb.AddResourceRequest) -> Empty:
        self._store().add(request.id, _resource(request.resource))
        return Empty()

    def _remove(self, request: pb.DeleteResourceRequest) -> Empty:
        self._store().remove(request.id, _resource(request.resource))
        return Empty()

    def _list_resources(self, request: pb.ListResourcesRequest) -> pb.ListResourcesResponse:
        found = self._store().resources(request.id)
        return encode(
            pb.ListResourcesResponse, resources=[encode(pb.Resource, id=one.id, type=one.type) for one in found]
        )


def _resource(message: pb.Resource) -> Resource:
    return Resource(type=message.type, id=message.id)
