"""Clients that disconnect during a prepare."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from lamina.api.messages.snapshots_pb2 import CommitSnapshotRequest, PrepareSnapshotRequest
from lamina.errdefs import NotFound
from lamina.plugins.servers.grpc._limits import Limits
from lamina.plugins.servers.grpc._listener import Listener
from lamina.plugins.servers.grpc.engines._protocol import Engine
from lamina.plugins.services.snapshots._names import Names
from lamina.plugins.services.snapshots._service import SnapshotsService
from lamina.snapshots import Kind
from lamina.snapshots.local import LocalSnapshotter
from lamina.snapshots.storage import Record
from lamina.store._environment import Environment
from tests.support.listener.engines import open_channel
from tests.support.snapshotters.overlay import open_overlay
from tests.support.snapshotters.records import snapshotters_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.requires("root", "overlay")

SECONDS = 60


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[LocalSnapshotter]:
    with open_overlay(tmp_path) as overlay:
        yield overlay


@pytest.fixture
def channel(
    overlay: LocalSnapshotter, tmp_path: Path, make_engine: Callable[..., Engine]
) -> Iterator[grpc.Channel]:
    """A connection to a service on the snapshotter."""
    service = SnapshotsService(Names(snapshotters_of({"overlayfs": overlay}), {})).service
    listener = Listener(f"{tmp_path}/s", make_engine(Limits(quick_workers=2, slow_workers=2)), [service])
    listener.start()
    try:
        with open_channel(f"{tmp_path}/s") as channel:
            yield channel
    finally:
        listener.close()


def prepare(channel: grpc.Channel) -> grpc.Future:
    """Begin to prepare the snapshot `k`."""
    request = PrepareSnapshotRequest(snapshotter="overlayfs", key="k").SerializeToString()
    call = channel.unary_unary("/containerd.services.snapshots.v1.Snapshots/Prepare")
    future: grpc.Future = call.future(request, timeout=SECONDS)
    return future


def commit(channel: grpc.Channel) -> grpc.Future:
    """Begin to commit the snapshot `k` as `layer`."""
    request = CommitSnapshotRequest(snapshotter="overlayfs", key="k", name="layer").SerializeToString()
    call = channel.unary_unary("/containerd.services.snapshots.v1.Snapshots/Commit")
    future: grpc.Future = call.future(request, timeout=SECONDS)
    return future


@contextlib.contextmanager
def commit_held_up(environment: Environment) -> Iterator[None]:
    """Keep a commit running during the block, so that other writers wait for the next one."""
    entered, leave = threading.Event(), threading.Event()

    def hold(_transaction: object) -> None:
        entered.set()
        leave.wait(SECONDS)

    thread = threading.Thread(target=environment.write, args=(hold,))
    thread.start()
    try:
        assert entered.wait(SECONDS)
        yield
    finally:
        leave.set()
        thread.join()


def test_a_client_that_leaves_before_the_durable_commit_leaves_nothing_behind(
    overlay: LocalSnapshotter, channel: grpc.Channel, tmp_path: Path
) -> None:
    overlay._store.reserve_id()  # the call itself then needs only one commit
    environment = overlay._store._environment
    commits = environment._commits
    with commit_held_up(environment):
        future = prepare(channel)
        wait_until(lambda: commits._waiting, SECONDS, "the call waits for its commit")
        future.cancel()
        wait_until(lambda: commits._waiting[0]._context.cancelled, SECONDS, "the host knows that it is gone")
    wait_until(lambda: not os.listdir(tmp_path / "overlay/snapshots"), SECONDS, "its directory is gone")
    with pytest.raises(NotFound):
        overlay.stat("k")


def test_a_client_that_leaves_after_the_durable_commit_changes_nothing(
    overlay: LocalSnapshotter, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is blocked between the durable commit and the answer, in `committed`."""
    stored, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def hold(_record: Record) -> None:
        stored.set()
        go_on.wait(SECONDS)
        ended.set()

    monkeypatch.setattr(overlay._backend, "committed", hold)
    overlay.prepare("k")
    future = commit(channel)
    assert stored.wait(SECONDS)
    assert not future.done()
    future.cancel()
    go_on.set()
    assert ended.wait(SECONDS)
    assert overlay.stat("layer").kind is Kind.COMMITTED
    (mount,) = overlay.prepare("child", "layer")
    assert mount.type == "overlay"
