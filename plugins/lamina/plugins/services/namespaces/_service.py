"""`containerd.services.namespaces.v1.Namespaces`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from lamina.api import Handlers, encode
from lamina.api.messages import namespaces_pb2 as pb
from lamina.errdefs import NotFound, Unimplemented


class NamespacesService:
    """Lists the namespaces. Each appears with the first image or lease in it; clients cannot change them."""

    def __init__(self, namespaces: Callable[[], Iterable[str]]) -> None:
        """Create the service.

        Args:
            namespaces: Returns the names of all namespaces, or raises the reason why they are not available.
        """
        self._namespaces = namespaces
        self.handlers: Handlers = {
            "Get": (pb.GetNamespaceRequest, self._get),
            "List": (pb.ListNamespacesRequest, self._list),
            "Create": (pb.CreateNamespaceRequest, _refuse),
            "Update": (pb.UpdateNamespaceRequest, _refuse),
            "Delete": (pb.DeleteNamespaceRequest, _refuse),
        }

    def _get(self, request: pb.GetNamespaceRequest) -> pb.GetNamespaceResponse:
        if request.name not in self._namespaces():
            raise NotFound(f"no namespace {request.name!r}: a namespace exists as soon as something is in it")
        return encode(pb.GetNamespaceResponse, namespace=encode(pb.Namespace, name=request.name))

    def _list(self, _request: pb.ListNamespacesRequest) -> pb.ListNamespacesResponse:
        found = [encode(pb.Namespace, name=name) for name in self._namespaces()]
        return encode(pb.ListNamespacesResponse, namespaces=found)


def _refuse(_request: Any) -> NoReturn:
    raise Unimplemented(
        "namespaces have no labels and cannot be created or deleted: each appears with its first image"
    )
