"""`lamina.services.gc.v1.Collector`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lamina import api  # its names are looked up in calls, since few starts need the conversions
from lamina.api import Method, Service, Target, encode
from lamina.api.messages import gc_pb2 as pb
from lamina.images import current_namespace
from lamina.metadata.collection import GarbageCollector
from lamina.plugins.gc._collection import Collection

_TARGET = Target("gc")
"""Has workers of its own: the work may take minutes."""


class CollectorService:
    """Collects for clients, and tells them of each removal."""

    def __init__(self, collector: Callable[[], GarbageCollector]) -> None:
        """Create the service.

        Args:
            collector: Returns what does the work, or raises the reason why it is not available.
        """
        self._collector = collector
        self.service = Service(
            name="lamina.services.gc.v1.Collector",
            methods=(
                Method("Collect", pb.CollectRequest, self._collect, streams=True, slow=True, target=_target),
                Method("Usage", pb.UsageRequest, self._usage, slow=True, target=_target),
                Method("Why", pb.WhyRequest, self._why, slow=True, target=_target, logged={"name": "object"}),
            ),
        )

    def _collect(self, request: pb.CollectRequest) -> Iterator[pb.CollectResponse]:
        collector = self._collector()
        with Collection(
            lambda: collector.collect(dry_run=request.dry_run, content_only=request.content_only)
        ) as collection:
            for batch in collection.batches():
                yield encode(pb.CollectResponse, removed=map(api.removed_to_proto, batch))

    def _usage(self, _request: pb.UsageRequest) -> pb.UsageResponse:
        return api.image_usages_to_proto(self._collector().usage())

    def _why(self, request: pb.WhyRequest) -> pb.WhyResponse:
        chains = self._collector().why(request.name, request.namespace or current_namespace())
        return encode(pb.WhyResponse, chains=map(api.chain_to_proto, chains))


def _target(_request: object) -> Target:
    return _TARGET
