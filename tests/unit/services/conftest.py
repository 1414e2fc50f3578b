"""A real snapshotter without mounts, and service methods with and without a transport."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from lamina.api import Response, Service, VersionedResponse
from lamina.api.messages.snapshots_pb2 import ListSnapshotsResponse, StatSnapshotResponse
from lamina.errdefs import NotFound
from lamina.mount import Mount
from lamina.plugins.servers.grpc import _limits
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.servers.grpc.engines.native import _relieved_worker
from lamina.plugins.snapshots.overlay import OverlayBackend
from lamina.snapshots import Info, Snapshotter, Usage
from lamina.snapshots.local import LocalSnapshotter
from lamina.steps import run
from tests.support.listener.engines import QUICK, SECONDS, Blocker, Served, open_channel
from tests.support.snapshotters.local import open_local


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
"""Decode the bytes that handlers return instead of a message."""


@pytest.fixture
def call() -> Callable[..., Any]:
    """Return `call(service, "Method", field=…)`, which makes a request and returns the response or responses."""

    def call(service: Service, name: str, /, **fields: Any) -> Any:
        method = next(method for method in service.methods if method.name == name)
        answer = method.handler(method.request(**fields))
        if method.in_steps:
            answer = run(answer)
        return [message(name, one) for one in answer] if method.streams else message(name, answer)

    def message(name: str, response: Response) -> Message:
        response = response.response if isinstance(response, VersionedResponse) else response
        return RESPONSES[name].FromString(response) if isinstance(response, bytes) else response

    return call


@pytest.fixture
def unrelieved(monkeypatch):
    """Keep threads from being relieved: one that has no processor for a moment is taken for stuck."""
    monkeypatch.setattr(_relieved_worker, "BLOCKED", SECONDS)


@pytest.fixture
def serve(tmp_path, make_engine, monkeypatch):
    """`serve(method, …)` serves methods on a socket; the end of the test closes it."""
    monkeypatch.setattr(_limits, "CANCEL_GRACE", SECONDS)  # for a loaded machine
    with contextlib.ExitStack() as stack:

        def start(*methods, path=tmp_path / "x.sock", grace=SECONDS, quick_workers=2, slow_workers=2, **options):
            engine = make_engine(Limits(quick_workers=quick_workers, slow_workers=slow_workers, **options))
            stopping = threading.Event()
            service = Service("test.Test", (QUICK, *methods))
            listener = Listener(str(path), engine, [service], stopping=[stopping.set], grace=grace)
            listener.start()
            stack.callback(listener.close)
            channel = open_channel(path)
            stack.callback(channel.close)
            return Served(channel, listener, engine, stopping)

        yield start


@pytest.fixture
def blocker():
    blocker = Blocker()
    yield blocker
    blocker.go.set()
