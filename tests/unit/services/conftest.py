"""A real snapshotter on real directories, never mounted; calls of a service's methods without a transport."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from local_snapshotters import open_local

from lamina.api import Service
from lamina.api.messages.snapshots_pb2 import ListSnapshotsResponse, StatSnapshotResponse
from lamina.errdefs import NotFound
from lamina.mount import Mount
from lamina.plugins.snapshots.overlay import OverlayBackend
from lamina.snapshots import Info, Snapshotter, Usage
from lamina.snapshots.local import LocalSnapshotter
from lamina.steps import run


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    root = tmp_path / "overlay"
    root.mkdir()
    with open_local(tmp_path / "metastore", OverlayBackend(str(root)), "overlayfs") as snapshotter:
        yield snapshotter


class Plain(Snapshotter):
    """The least that a snapshotter can be: always empty, with one space of keys and nothing to clean up."""

    def stat(self, key: str) -> Info:
        raise NotFound(key)

    def update(self, info: Info, fieldpaths: tuple[str, ...] = ()) -> Info:
        raise NotFound(info.name)

    def usage(self, key: str) -> Usage:
        raise NotFound(key)

    def mounts(self, key: str) -> list[Mount]:
        raise NotFound(key)

    def prepare(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        return []

    def view(self, key: str, parent: str = "", labels: Mapping[str, str] | None = None) -> list[Mount]:
        return []

    def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None, parent: str = "") -> None:
        raise NotFound(key)

    def remove(self, key: str) -> None:
        raise NotFound(key)

    def walk(self, *filters: str) -> Iterator[Info]:
        return iter(())


@pytest.fixture
def plain() -> Plain:
    return Plain()


RESPONSES = {"List": ListSnapshotsResponse, "Stat": StatSnapshotResponse}
"""What the bytes are that handlers return in place of a message."""


@pytest.fixture
def call() -> Callable[..., Any]:
    """`call(service, "Method", field=…)` makes the request and returns the response, or all of them."""

    def call(service: Service, name: str, /, **fields: Any) -> Any:
        method = next(method for method in service.methods if method.name == name)
        answer = method.handler(method.request(**fields))
        if method.in_steps:
            answer = run(answer)
        return [message(name, one) for one in answer] if method.streams else message(name, answer)

    def message(name: str, response: Message | bytes) -> Message:
        return RESPONSES[name].FromString(response) if isinstance(response, bytes) else response

    return call
