"""`ProxyCollector`: a garbage collector behind a socket."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from lamina.api import chain_from_proto, encode, image_usages_from_proto, removed_from_proto
from lamina.api.messages import gc_pb2 as pb
from lamina.client._connection import ServiceClient
from lamina.errdefs import Unimplemented
from lamina.metadata.collection import Chain, GarbageCollector, Removed, Usage


class ProxyCollector(ServiceClient, GarbageCollector):
    """Forwards every call to a collector service."""

    service = "lamina.services.gc.v1.Collector"

    def collect(self, *, dry_run: bool = False, content_only: bool = False) -> Iterator[Removed]:
        request = encode(pb.CollectRequest, dry_run=dry_run, content_only=content_only)
        for response in self._stream("Collect", request, pb.CollectResponse):
            yield from map(removed_from_proto, response.removed)

    def discard(self, digests: Collection[str]) -> None:
        """Raise an error: the transfer service of the host does this when it unpacks an image."""
        raise Unimplemented("discard blobs: clients collect all that is not needed")

    def usage(self) -> Usage:
        response = self._call("Usage", pb.UsageRequest(), pb.UsageResponse)
        return image_usages_from_proto(response)

    def why(self, name: str, namespace: str) -> Sequence[Chain]:
        request = encode(pb.WhyRequest, name=name, namespace=namespace)
        response = self._call("Why", request, pb.WhyResponse)
        return tuple(map(chain_from_proto, response.chains))
