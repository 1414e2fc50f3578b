"""Fixtures for the tests with registries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.content.local import LocalContentStore
from lamina.registry import Registry
from tests.support.blobs import MemoryLabels
from tests.support.registries.docker_registry import DockerRegistry
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
