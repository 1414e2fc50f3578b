"""A garbage collector behind a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lamina.client import Client
from lamina.errdefs import NotFound, Unavailable
from lamina.plugins.gc.plugin import collector_service
from tests.support.images.collectors import CHAINS, REMOVED, USAGE, RecordedCollector

Serve = Callable[..., Any]


@pytest.fixture
def collector() -> RecordedCollector:
    return RecordedCollector()


@pytest.fixture
def address(serve: Serve, collector: RecordedCollector) -> str:
    address: str = serve(collector_service(lambda: collector)).address
    return address


def test_removals_usage_and_chains_are_those_of_the_server(address: str) -> None:
    with Client(address) as client:
        assert tuple(client.collector().collect()) == REMOVED
        assert client.collector().usage() == USAGE
        assert client.collector().why("debian", "default") == CHAINS


def test_everything_is_passed_on(address: str, collector: RecordedCollector) -> None:
    with Client(address, namespace="other") as client:
        list(client.collector().collect(dry_run=True))
        list(client.collector().collect(content_only=True))
        client.collector().why("debian", "k8s.io")
    assert collector.asked == [(True, False), (False, True), ("debian", "k8s.io")]


def test_errors_are_those_of_the_server(address: str, collector: RecordedCollector) -> None:
    collector.error = Unavailable("the disk is gone")
    with Client(address) as client:
        with pytest.raises(NotFound, match="nothing is called 'missing'"):
            client.collector().why("missing", "default")
        with pytest.raises(Unavailable, match="the disk is gone"):
            list(client.collector().collect())
