"""`lamina.services.gc.v1.Collector`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lamina.api import Handlers, chain_to_proto, encode, image_usages_to_proto, removed_to_proto
from lamina.api.messages import gc_pb2 as pb
from lamina.images import current_namespace
from lamina.metadata.collection import GarbageCollector
from lamina.plugins.gc._collection import Collection


class CollectorService:
    """Collects for clients, and reports each removal to them."""

    def __init__(self, collector: Callable[[], GarbageCollector]) -> None:
        """Create the service.

        Args:
            collector: Returns the collector, or raises the reason why it is not available.
        """
        self._collector = collector
        self.handlers: Handlers = {
            "Collect": (pb.CollectRequest, self._collect),
            "Usage": (pb.UsageRequest, self._usage),
            "Why": (pb.WhyRequest, self._why),
        }

    def _collect(self, request: pb.CollectRequest) -> Iterator[pb.CollectResponse]:
        collector = self._collector()
        with Collection(
            lambda: collector.collect(dry_run=request.dry_run, content_only=request.content_only)
        ) as collection:
            for batch in collection.batches():
                yield encode(pb.CollectResponse, removed=map(removed_to_proto, batch))

    def _usage(self, _request: pb.UsageRequest) -> pb.UsageResponse:
        return image_usages_to_proto(self._collector().usage())

    def _why(self, request: pb.WhyRequest) -> pb.WhyResponse:
        chains = self._collector().why(request.name, request.namespace or current_namespace())
        return encode(pb.WhyResponse, chains=map(chain_to_proto, chains))
