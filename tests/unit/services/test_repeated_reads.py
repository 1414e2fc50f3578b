"""Clients that ask for the same stat and mounts again see every change that was acknowledged before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import grpc
import pytest
from google.protobuf.message import Message

from lamina.api.messages import snapshots_pb2 as pb
from lamina.api.messages.empty_pb2 import Empty
from lamina.plugins.services.snapshots._config import SnapshotsConfig
from lamina.plugins.services.snapshots._names import Names
from lamina.plugins.services.snapshots._service import SnapshotsService
from lamina.snapshots.local import LocalSnapshotter
from tests.support.listener.engines import Served, failure
from tests.support.rounds import rounds
from tests.support.snapshotters.records import snapshotters_of

READERS = 3
TURNS = rounds(60, 1_000)


@attrs.define
class Snapshots:
    """A client of the service."""

    served: Served
    service: SnapshotsService
    name: str = "lamina"

    def stat(self, key: str) -> pb.Info:
        return self.call("Stat", pb.StatSnapshotRequest(key=key), pb.StatSnapshotResponse).info

    def mounts(self, key: str) -> list[str]:
        response = self.call("Mounts", pb.MountsRequest(key=key), pb.MountsResponse)
        return [f"{mount.source} {' '.join(mount.options)}" for mount in response.mounts]

    def prepare(self, key: str, parent: str = "", **labels: str) -> list[str]:
        request = pb.PrepareSnapshotRequest(key=key, parent=parent, labels=labels)
        response = self.call("Prepare", request, pb.PrepareSnapshotResponse)
        return [f"{mount.source} {' '.join(mount.options)}" for mount in response.mounts]

    def commit(self, name: str, key: str) -> None:
        self.call("Commit", pb.CommitSnapshotRequest(name=name, key=key), Empty)

    def remove(self, key: str) -> None:
        self.call("Remove", pb.RemoveSnapshotRequest(key=key), Empty)

    def label(self, key: str, value: str) -> None:
        info = pb.Info(name=key, labels={"turn": value})
        self.call("Update", pb.UpdateSnapshotRequest(info=info), pb.UpdateSnapshotResponse)

    def call(self, method: str, request: Any, response: type[Message]) -> Any:
        request.snapshotter = self.name
        return response.FromString(self.served.unary(method, request.SerializeToString()))


@pytest.fixture
def connect(serve: Callable[..., Served]) -> Callable[[LocalSnapshotter], Snapshots]:
    """`connect(snapshotter)` serves it as `overlayfs` and `lamina`, and returns a client."""

    def connect(snapshotter: LocalSnapshotter) -> Snapshots:
        service = SnapshotsService(
            Names(snapshotters_of({"overlayfs": snapshotter}), {"lamina": "overlayfs", "other": "overlayfs"})
        )
        return Snapshots(serve(*service.service.methods), service)

    return connect


@pytest.fixture
def client(connect: Callable[[LocalSnapshotter], Snapshots], overlay: LocalSnapshotter) -> Snapshots:
    return connect(overlay)


def code(call: Callable[[], object]) -> grpc.StatusCode:
    return failure(call)[0]


def test_an_update_is_seen(client: Snapshots) -> None:
    client.prepare("own")
    for turn in "123":
        client.label("own", turn)
        assert [client.stat("own").labels["turn"] for _ in range(3)] == [turn] * 3


def test_a_removal_is_seen(client: Snapshots) -> None:
    for _ in range(2):
        mounts = client.prepare("own")
        assert client.mounts("own") == client.mounts("own") == mounts
        assert client.stat("own") == client.stat("own")
        client.remove("own")
        assert code(lambda: client.mounts("own")) is code(lambda: client.stat("own")) is grpc.StatusCode.NOT_FOUND


def test_a_commit_is_seen(client: Snapshots) -> None:
    client.prepare("own")
    assert [client.stat("own").kind for _ in range(2)] == [pb.ACTIVE] * 2
    assert client.mounts("own") == client.mounts("own")
    client.commit("layer", "own")
    assert [client.stat("layer").kind for _ in range(2)] == [pb.COMMITTED] * 2
    assert code(lambda: client.stat("own")) is grpc.StatusCode.NOT_FOUND
    assert code(lambda: client.mounts("layer")) is grpc.StatusCode.FAILED_PRECONDITION


def test_keyspaces_are_kept_apart(client: Snapshots) -> None:
    others = attrs.evolve(client, name="other")
    assert client.prepare("own") != others.prepare("own")
    for one in (client, others):
        assert one.mounts("own") == one.mounts("own")
    assert client.mounts("own") != others.mounts("own")


def test_a_reload_of_the_names_is_seen(client: Snapshots) -> None:
    client.prepare("own")
    assert client.stat("own") == client.stat("own")
    client.service.reconfigure(SnapshotsConfig(aliases={"elsewhere": "overlayfs"}))
    assert code(lambda: client.stat("own")) is grpc.StatusCode.INVALID_ARGUMENT
    client.service.reconfigure(SnapshotsConfig(aliases={"lamina": "overlayfs"}))
    assert client.stat("own").name == "own"


@pytest.fixture
def beside_readers() -> Callable[..., None]:
    """`beside_readers(write, read)` calls `write` while threads call `read` again and again."""

    def run(write: Callable[[], None], read: Callable[[], None]) -> None:
        done = threading.Event()

        def read_on() -> None:
            while not done.is_set():
                read()

        with ThreadPoolExecutor(READERS) as threads:
            readers = [threads.submit(read_on) for _ in range(READERS)]
            try:
                write()
            finally:
                done.set()
            for reader in readers:
                reader.result()

    return run


def test_readers_never_see_less_than_a_writer_was_told(
    client: Snapshots, beside_readers: Callable[..., None]
) -> None:
    client.prepare("own")
    client.label("own", "0")
    told = 0

    def write() -> None:
        nonlocal told
        for turn in range(1, TURNS):
            client.label("own", f"{turn}")
            told = turn

    def read() -> None:
        least = told
        first = int(client.stat("own").labels["turn"])
        second = int(client.stat("own").labels["turn"])
        assert least <= first <= second

    beside_readers(write, read)


def test_readers_never_see_the_mounts_of_a_removed_snapshot(
    client: Snapshots, beside_readers: Callable[..., None]
) -> None:
    removed: list[list[str]] = []

    def write() -> None:
        for _ in range(TURNS):
            mounts = client.prepare("own")
            client.remove("own")
            removed.append(mounts)

    def read() -> None:
        before = removed.copy()
        try:
            assert client.mounts("own") not in before
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND  # noqa: PT017 - it may be there or not

    beside_readers(write, read)
