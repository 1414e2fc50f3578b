"""Hanging backends and clients that do not read do not block other calls."""

from __future__ import annotations

import contextlib
import struct
import time
from collections.abc import Callable, Iterator

import grpc
import pytest

from lamina.api.messages import snapshots_pb2 as pb
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.servers.grpc.engines.grpcio import _stalls
from lamina.plugins.services.snapshots._names import Names
from lamina.plugins.services.snapshots._service import SnapshotsService
from tests.support.listener.engines import open_channel
from tests.support.listener.raw_http2 import PREFACE, SETTINGS, Connection, frame
from tests.support.listener.raw_http2 import call as call_frames
from tests.support.plugins.hung_snapshotters import HungSnapshotter
from tests.support.snapshotters.records import snapshotters_of
from tests.support.waiting import wait_until

SECONDS = 60
WORKERS = 16
FLOOD = 40
"""Calls of each method, more than there are workers."""
METHODS = {
    "Stat": pb.StatSnapshotRequest,
    "Mounts": pb.MountsRequest,
    "Usage": pb.UsageRequest,
    "Prepare": pb.PrepareSnapshotRequest,
    "Commit": pb.CommitSnapshotRequest,
    "Remove": pb.RemoveSnapshotRequest,
    "List": pb.ListSnapshotsRequest,
    "Cleanup": pb.CleanupRequest,
}


@pytest.fixture
def hung() -> Iterator[dict[str, HungSnapshotter]]:
    snapshotters = {"hung": HungSnapshotter(), "hung too": HungSnapshotter()}
    yield snapshotters
    for snapshotter in snapshotters.values():
        snapshotter.go.set()


class Client:
    """Makes calls on one snapshotter."""

    def __init__(self, path: str, snapshotter: str) -> None:
        self._channel = open_channel(path)
        self._snapshotter = snapshotter

    def begin(self, name: str, /, **fields: object) -> grpc.Future:
        request = METHODS[name](snapshotter=self._snapshotter, **fields).SerializeToString()
        path = f"/containerd.services.snapshots.v1.Snapshots/{name}"
        if name == "List":
            return self._channel.unary_stream(path)(request, timeout=2 * SECONDS)
        return self._channel.unary_unary(path).future(request, timeout=2 * SECONDS)

    def call(self, name: str, /, **fields: object) -> object:
        call = self.begin(name, **fields)
        return list(call) if name == "List" else call.result(timeout=SECONDS)

    def store(self, number: int) -> None:
        """Make a successful call of each method except `List`."""
        self.call("Prepare", key=f"active {number}")
        self.call("Stat", key=f"active {number}")
        self.call("Mounts", key=f"active {number}")
        self.call("Usage", key=f"active {number}")
        self.call("Commit", key=f"active {number}", name=f"committed {number}")
        self.call("Remove", key=f"committed {number}")

    def lists(self) -> bool:
        """Whether a list succeeds; one that is refused may be tried again later."""
        try:
            return bool(self.call("List"))
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            return False

    def close(self) -> None:
        self._channel.close()


@pytest.fixture
def connect(tmp_path, make_engine, overlay, hung) -> Iterator[Callable[[str], Client]]:
    service = SnapshotsService(Names(snapshotters_of({"overlayfs": overlay, **hung}), {"alias": "overlayfs"}))
    engine = make_engine(Limits(quick_workers=2, slow_workers=WORKERS))
    listener = Listener(f"{tmp_path}/s", engine, [service.service], grace=0)
    listener.start()
    clients = []

    def connect(snapshotter: str) -> Client:
        clients.append(Client(f"{tmp_path}/s", snapshotter))
        return clients[-1]

    yield connect
    for snapshotter in hung.values():
        snapshotter.go.set()
    for client in clients:
        client.close()
    listener.close()


def test_hanging_backends_do_not_block_others(connect, hung, overlay):
    overlay.prepare("one to list")
    honest = connect("overlayfs")
    calls = [client.begin(name) for name in METHODS for client in map(connect, hung) for _ in range(FLOOD)]
    for snapshotter in hung.values():
        assert snapshotter.entered.acquire(timeout=SECONDS)
    for number in range(5):
        honest.store(number)
        assert honest.lists()
    assert any(not call.done() for call in calls)


def test_calls_beyond_the_share_of_a_backend_are_refused_with_its_name(connect, hung):
    hanging = connect("hung")
    calls = [hanging.begin("Usage") for _ in range(400)]
    wait_until(lambda: any(call.done() for call in calls), SECONDS, "a refusal")
    refused = next(call for call in calls if call.done())
    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert refused.details().startswith("hung: too many calls of Usage wait for an answer")


def test_cancelled_calls_free_their_slots(connect, hung):
    """Any number of waiting calls free their slots once they are cancelled."""
    hanging = connect("hung")
    calls = [hanging.begin("Usage") for _ in range(400)]
    wait_until(lambda: any(call.done() for call in calls), SECONDS, "a refusal")
    for call in calls:
        call.cancel()
    hung["hung"].go.set()

    def code() -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as caught:
            hanging.call("Usage")
        return caught.value.code()

    # Cancelled calls may take a moment to end.
    wait_until(lambda: code() is grpc.StatusCode.UNAVAILABLE, SECONDS, "a slot for another call")


def test_unread_lists_do_not_block_other_calls(connect, overlay):
    """Each of these has more to send than sockets and windows hold."""
    for number in range(100):
        overlay.prepare(f"{number} {'k' * 30_000}")
    lists = [connect("overlayfs").begin("List") for _ in range(40)]
    honest = connect("alias")
    honest.call("Prepare", key="one to list")
    for number in range(5):
        honest.store(number)
        wait_until(honest.lists, SECONDS, "a list that is answered")
    assert len(lists) == 40


def test_unread_lists_give_way_to_other_lists(connect, overlay, tmp_path, monkeypatch):
    """Start as many lists as can be parked, and as many again after each that gave way."""
    monkeypatch.setattr(_stalls, "GIVE_WAY", 0.5)
    for number in range(10):
        overlay.prepare(f"{number} {'k' * 30_000}")
    honest = connect("overlayfs")
    request = pb.ListSnapshotsRequest(snapshotter="overlayfs").SerializeToString()
    no_window = PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))  # SETTINGS_INITIAL_WINDOW_SIZE
    latest = time.monotonic() + 3 * SECONDS
    with contextlib.ExitStack() as connections:
        for _ in range(7):
            for _ in range(33):
                connection = connections.enter_context(Connection(f"{tmp_path}/s", no_window))
                connection.send(call_frames(1, "containerd.services.snapshots.v1.Snapshots/List", request))
            wait_until(honest.lists, latest - time.monotonic(), "a list that is answered")
