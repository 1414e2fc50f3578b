"""Fixtures for the tests with registries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.registry import Registry
from tests.support.blobs import MemoryLabels
from tests.support.images import Documents
from tests.support.registries.docker_registry import DockerRegistry
from tests.support.registries.hosts import PullingHost, pulling_host
from tests.support.registries.proxy import Proxy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """A registry that lets everybody in, for all tests of a module."""
    with DockerRegistry(tmp_path_factory.mktemp("registry")).running() as registry:
        yield registry


@pytest.fixture
def registry(server: DockerRegistry) -> Iterator[Registry]:
    """lamina's view of it."""
    with Registry(server.host) as opened:
        yield opened


@pytest.fixture
def proxy(server: DockerRegistry) -> Iterator[Proxy]:
    """A proxy in front of it, which counts requests."""
    with Proxy(server.port).running() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalContentStore]:
    """An empty content store."""
    opened = LocalContentStore(str(tmp_path / "content"), MemoryLabels())
    yield opened
    opened.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[PullingHost]:
    """A host in this process."""
    with pulling_host(tmp_path) as host:
        yield host


@pytest.fixture
def made() -> Documents:
    """Images that a test makes."""
    return Documents()


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A repository of its own for each test."""
    return f"tests/{request.node.name.partition('[')[0].lower()}"
