"""A host with something to look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.directories import short_directory
from tests.support.processes.hosts import Host


@pytest.fixture
def host() -> Iterator[Host]:
    """A host with three layers on one another, an active snapshot and a view on the last, running."""
    with short_directory() as directory, Host(directory / "h").running() as running:
        with running.client() as client:
            snapshotter = client.snapshotter("overlayfs")
            parent = ""
            for number in range(3):
                snapshotter.prepare("extract", parent)
                snapshotter.commit(parent := f"layer-{number}", "extract")
            snapshotter.prepare("box", parent)
            snapshotter.view("look", parent)
        yield running


@pytest.fixture
def stopped(host: Host) -> Host:
    """The same, stopped."""
    host.stop()
    return host
