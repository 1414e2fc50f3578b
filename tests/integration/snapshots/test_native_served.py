"""Concurrent copies behind a socket, and clients that cancel them."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from lamina.api.messages.snapshots_pb2 import PrepareSnapshotRequest
from lamina.client import Client
from lamina.context import CallContext, current
from lamina.errdefs import NotFound
from lamina.mount import temporary_mount
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.servers.grpc.engines._protocol import Engine
from lamina.plugins.services.snapshots._names import Names
from lamina.plugins.services.snapshots._service import SnapshotsService
from lamina.plugins.snapshots.native import NativeBackend
from lamina.snapshots import Kind
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import Record
from tests.support.listener.engines import open_channel
from tests.support.snapshotters.native import open_native
from tests.support.snapshotters.records import snapshotters_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root")

COPIES = 32
SECONDS = 300


class HeldBackend(NativeBackend):
    """A backend that waits for permission before it copies a parent."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.begun: queue.SimpleQueue[CallContext] = queue.SimpleQueue()
        """The contexts of the waiting calls."""
        self.allowed = threading.Event()

    def create(self, record: Record, path: str) -> None:
        if record.parent_ids:
            self.begun.put(current())
            assert self.allowed.wait(SECONDS)
        super().create(record, path)


@pytest.fixture
def native(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    """A snapshotter with a committed snapshot `c` of a large file and some small ones."""
    with open_native(tmp_path, HeldBackend, sync_fs=False) as native:
        with temporary_mount(native.prepare("a")) as root:
            (Path(root) / "large").write_bytes(b"x" * (32 << 20))
            for number in range(100):
                (Path(root) / str(number)).touch()
        native.commit("c", "a")
        yield native


@pytest.fixture
def address(native: LocalSnapshotter, tmp_path: Path, make_engine: Callable[..., Engine]) -> Iterator[str]:
    service = SnapshotsService(Names(snapshotters_of({"native": native}), {})).service
    listener = Listener(f"{tmp_path}/s", make_engine(Limits(quick_workers=2, slow_workers=4 * COPIES)), [service])
    listener.start()
    try:
        yield f"{tmp_path}/s"
    finally:
        native._backend.allowed.set()
        listener.close()


@pytest.fixture
def copying(native: LocalSnapshotter, address: str) -> Iterator[list[grpc.Future]]:
    """Prepare calls that have reached the snapshotter and not begun to copy."""
    with open_channel(address) as channel:
        call = channel.unary_unary("/containerd.services.snapshots.v1.Snapshots/Prepare")
        requests = [
            PrepareSnapshotRequest(snapshotter="native", key=str(number), parent="c") for number in range(COPIES)
        ]
        futures = [call.future(request.SerializeToString(), timeout=SECONDS) for request in requests]
        wait_until(lambda: native._backend.begun.qsize() == COPIES, SECONDS, "all are in the snapshotter")
        yield futures


def test_copies_do_not_delay_a_stat(native: LocalSnapshotter, address: str, copying: list[grpc.Future]) -> None:
    with Client(address, timeout=SECONDS) as client:
        snapshotter = client.snapshotter("native")
        assert snapshotter.stat("c").kind is Kind.COMMITTED
        assert not any(future.done() for future in copying)
        native._backend.allowed.set()
        while not all(future.done() for future in copying):
            assert snapshotter.stat("c").kind is Kind.COMMITTED
        for number, future in enumerate(copying):
            future.result()
            assert snapshotter.stat(str(number)).parent == "c"


def test_cancelled_copies_end_and_leave_no_directory(
    native: LocalSnapshotter, copying: list[grpc.Future], tmp_path: Path
) -> None:
    for future in copying:
        future.cancel()
    contexts = [native._backend.begun.get() for _ in copying]
    wait_until(
        lambda: all(context.cancelled for context in contexts), SECONDS, "the host knows that they are gone"
    )
    native._backend.allowed.set()
    wait_until(lambda: os.listdir(tmp_path / "native/snapshots") == ["1"], SECONDS, "what was begun is gone")
    for number in range(COPIES):
        with pytest.raises(NotFound):
            native.stat(str(number))
