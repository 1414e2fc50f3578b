"""The collector service's methods, called with and without a transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from lamina.api import Service, chain_from_proto, image_usages_from_proto, removed_from_proto
from lamina.api.messages.gc_pb2 import CollectRequest, CollectResponse
from lamina.context import CallContext, use
from lamina.errdefs import NotFound, Unavailable
from lamina.plugins.gc.plugin import collector_service
from tests.support.images.collectors import CHAINS, REMOVED, USAGE, RecordedCollector
from tests.support.listener.engines import open_channel

SECONDS = 60

Call = Callable[..., Any]


@pytest.fixture
def collector() -> RecordedCollector:
    return RecordedCollector()


@pytest.fixture
def service(collector: RecordedCollector) -> Service:
    return collector_service(lambda: collector)


def test_removals_are_sent(service: Service, collector: RecordedCollector, call: Call) -> None:
    responses = call(service, "Collect", dry_run=True, content_only=True)
    found = [removed_from_proto(one) for response in responses for one in response.removed]
    assert tuple(found) == REMOVED
    assert collector.asked == [(True, True)]


def test_more_removals_than_wait_for_a_client_are_sent(collector: RecordedCollector, call: Call) -> None:
    collector.removed = REMOVED * 3000
    responses = call(collector_service(lambda: collector), "Collect")
    assert sum(len(response.removed) for response in responses) == len(collector.removed)


def test_usage_is_that_of_all_namespaces(service: Service, call: Call) -> None:
    assert image_usages_from_proto(call(service, "Usage")) == USAGE


def test_chains_are_those_of_the_namespace_of_the_call(
    service: Service, collector: RecordedCollector, call: Call
) -> None:
    with use(CallContext(namespace="k8s.io")):
        response = call(service, "Why", name="debian")
    assert tuple(map(chain_from_proto, response.chains)) == CHAINS
    call(service, "Why", name="debian")
    call(service, "Why", name="debian", namespace="other")
    assert collector.asked == [("debian", "k8s.io"), ("debian", "default"), ("debian", "other")]
    with pytest.raises(NotFound, match="nothing is called 'missing'"):
        call(service, "Why", name="missing")


def test_an_error_follows_what_was_removed_before(service: Service, collector: RecordedCollector) -> None:
    collector.error = Unavailable("the disk is gone")
    collect = next(method for method in service.methods if method.name == "Collect")
    responses = collect.handler(CollectRequest())
    assert len(next(responses).removed) == len(REMOVED)
    with pytest.raises(Unavailable, match="the disk is gone"):
        next(responses)


def test_a_collection_stops_when_its_client_goes(
    service: Service, collector: RecordedCollector, serve: Call
) -> None:
    collector.is_endless = True
    served = serve(*service.methods)
    request = CollectRequest().SerializeToString()
    with open_channel(served.listener._path) as channel:
        responses = channel.unary_stream("/test.Test/Collect")(request, timeout=SECONDS)
        assert len(CollectResponse.FromString(next(responses)).removed) == len(REMOVED)
    assert collector.ended.wait(SECONDS)


def test_a_collection_stops_with_the_host(service: Service, collector: RecordedCollector, serve: Call) -> None:
    collector.is_endless = True
    served = serve(*service.methods, grace=0)
    request = CollectRequest().SerializeToString()
    with open_channel(served.listener._path) as channel:
        responses = channel.unary_stream("/test.Test/Collect")(request, timeout=SECONDS)
        next(responses)
        served.listener.close()
        with pytest.raises(grpc.RpcError):
            list(responses)
    assert collector.ended.is_set()
