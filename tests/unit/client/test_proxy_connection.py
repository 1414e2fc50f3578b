"""The connection of a proxy: shared sockets, time limits, cancellation and close."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lamina.api import Method, Service, info_to_proto
from lamina.api.messages import snapshots_pb2
from lamina.api.messages.empty_pb2 import Empty
from lamina.client import ProxySnapshotter
from lamina.context import CallContext, current, use
from lamina.errdefs import (
    Canceled,
    DeadlineExceeded,
    Error,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unavailable,
    Unimplemented,
    Unknown,
)
from lamina.snapshots import Info

STAT = ("Stat", snapshots_pb2.StatSnapshotRequest)
LIST = ("List", snapshots_pb2.ListSnapshotsRequest)
CLEANUP = ("Cleanup", snapshots_pb2.CleanupRequest)
PREPARE = ("Prepare", snapshots_pb2.PrepareSnapshotRequest)
MOUNTS = ("Mounts", snapshots_pb2.MountsRequest)
ANSWER = snapshots_pb2.StatSnapshotResponse(info=info_to_proto(Info("k")))


def service(method: tuple[str, Any], handler: Callable[[Any], Any]) -> Service:
    name, request = method
    return Service(
        "containerd.services.snapshots.v1.Snapshots", (Method(name, request, handler, streams=method is LIST),)
    )


@contextlib.contextmanager
def connected(address: str, name: str = "s", **settings: Any) -> Iterator[ProxySnapshotter]:
    snapshotter = ProxySnapshotter.connect(address, name, **settings)
    try:
        yield snapshotter
    finally:
        snapshotter.close()


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[socket.socket]:
    """A server that accepts and never answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "hung.sock"))
        listener.listen()
        yield listener


@contextlib.contextmanager
def cancelled_after(event: threading.Event, context: CallContext) -> Iterator[None]:
    """A block in that context, which another thread cancels once the event has happened."""

    def cancel() -> None:
        event.wait(60)
        context.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with use(context):
        yield
    canceller.join()


def test_proxies_of_one_address_share_a_socket(hung: socket.socket) -> None:
    address = hung.getsockname()
    with connected(address, "a", timeout=0.2) as a, connected(f"unix://{address}", "b", timeout=0.1) as b:
        for snapshotter in (a, b, a):
            with pytest.raises(DeadlineExceeded):
                snapshotter.stat("k")
        hung.settimeout(60)
        with hung.accept()[0]:
            hung.setblocking(False)
            with pytest.raises(BlockingIOError):
                hung.accept()


def test_closing_one_proxy_keeps_the_others_connected(serve: Any) -> None:
    served = serve(service(STAT, lambda _: ANSWER))
    with connected(served.address, "a") as a, connected(served.address, "b") as b:
        a.stat("k")
        b.stat("k")
        a.close()
        a.close()
        with pytest.raises(FailedPrecondition, match="the client is closed"):
            a.stat("k")
        assert b.stat("k") == Info("k")


def test_close_ends_running_calls(serve: Any) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def handler(_: Any) -> Any:
        arrived.set()
        current().on_cancel(ended.set)
        ended.wait(60)
        return ANSWER

    served = serve(service(STAT, handler))
    with connected(served.address) as snapshotter:

        def close() -> None:
            arrived.wait(60)
            snapshotter.close()

        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(Canceled):
            snapshotter.stat("k")
        closer.join()
    assert ended.wait(60)


@pytest.mark.parametrize("method", ["stat", "mounts"])
def test_the_quick_timeout_bounds_reads(hung: socket.socket, method: str) -> None:
    with (
        connected(hung.getsockname(), timeout=1000, quick_timeout=0.1) as snapshotter,
        pytest.raises(DeadlineExceeded, match=r"hung\.sock: .*/(Stat|Mounts) was not answered in time"),
    ):
        getattr(snapshotter, method)("k")


def test_the_earliest_deadline_is_sent_to_the_server(serve: Any) -> None:
    remaining: list[float | None] = []

    def handler(_: Any) -> Any:
        remaining.append(current().remaining())
        return ANSWER

    served = serve(service(STAT, handler))
    for timeout, quick in ((100, 1000), (1000, 100), (100, None), (None, 100)):
        with connected(served.address, timeout=timeout, quick_timeout=quick) as snapshotter:
            snapshotter.stat("k")
    assert all(seconds is not None and 0 < seconds < 110 for seconds in remaining)


def test_the_quick_timeout_does_not_bound_other_calls(serve: Any) -> None:
    remaining: list[float | None] = []

    def handler(_: Any) -> Any:
        remaining.append(current().remaining())
        return snapshots_pb2.PrepareSnapshotResponse()

    served = serve(service(PREPARE, handler))
    with connected(served.address, quick_timeout=100) as snapshotter:
        snapshotter.prepare("k")
    assert remaining == [None]


def test_cancelling_ends_a_walk_that_waits_for_the_next_message(serve: Any) -> None:
    waits, ended = threading.Event(), threading.Event()

    def handler(_: Any) -> Any:
        yield snapshots_pb2.ListSnapshotsResponse(info=[info_to_proto(Info("k"))])
        current().on_cancel(ended.set)
        waits.set()
        ended.wait(60)

    served = serve(service(LIST, handler))
    with (
        connected(served.address) as snapshotter,
        cancelled_after(waits, CallContext()),
        pytest.raises(Canceled, match=r"^the caller gave up$"),
    ):
        list(snapshotter.walk())
    assert ended.wait(60)


def test_cancelling_ends_a_call_to_a_server_that_never_answers(hung: socket.socket) -> None:
    connecting = threading.Event()

    def accept() -> None:
        with hung.accept()[0]:
            connecting.set()
            done.wait(60)

    done = threading.Event()
    acceptor = threading.Thread(target=accept)
    acceptor.start()
    with (
        connected(hung.getsockname()) as snapshotter,
        cancelled_after(connecting, CallContext()),
        pytest.raises(Canceled, match=r"^the caller gave up$"),
    ):
        snapshotter.stat("k")
    done.set()
    acceptor.join()


def test_a_call_that_has_ended_leaves_nothing_registered_with_its_context(serve: Any) -> None:
    served = serve(service(STAT, lambda _: ANSWER))
    context = CallContext()
    with connected(served.address) as snapshotter, use(context):
        snapshotter.stat("k")
        with pytest.raises(Unimplemented):
            snapshotter.usage("k")
    assert not context._callbacks


def test_a_missing_store_is_an_empty_walk_by_its_message_too(serve: Any) -> None:
    """containerd's snapshotters, served with its own package, send the class in the text alone."""

    def handler(_: Any) -> Any:
        raise Unknown("bucket does not exist: not found")
        yield

    served = serve(service(LIST, handler))
    with connected(served.address) as snapshotter:
        assert list(snapshotter.walk()) == []


@pytest.mark.parametrize(
    ("sent", "raised"),
    [
        (Unknown("filters: parse error: invalid argument"), InvalidArgument("filters: parse error")),
        (Unknown("namespace is required: failed precondition"), FailedPrecondition("namespace is required")),
        (Unknown("disk on fire"), Unknown("disk on fire")),
    ],
)
def test_a_walks_error_has_its_class_even_without_a_code(serve: Any, sent: Error, raised: Error) -> None:
    def handler(_: Any) -> Any:
        raise sent
        yield

    served = serve(service(LIST, handler))
    with connected(served.address) as snapshotter, pytest.raises(type(raised)) as caught:
        list(snapshotter.walk())
    assert (type(caught.value), str(caught.value)) == (type(raised), str(raised))


@pytest.mark.parametrize("error", [NotFound("gone"), Unknown("gone: not found")])
def test_not_found_in_the_middle_of_a_walk_is_an_error(serve: Any, error: Error) -> None:
    def handler(_: Any) -> Any:
        yield snapshots_pb2.ListSnapshotsResponse(info=[info_to_proto(Info("k"))])
        raise error

    served = serve(service(LIST, handler))
    with connected(served.address) as snapshotter, pytest.raises(NotFound, match=r"^gone$"):
        list(snapshotter.walk())


def test_cleanup_is_forwarded(serve: Any) -> None:
    requests: list[Any] = []
    served = serve(service(CLEANUP, lambda request: requests.append(request) or Empty()))
    with connected(served.address) as snapshotter:
        snapshotter.cleanup()
    assert requests == [snapshots_pb2.CleanupRequest(snapshotter="s")]


def test_a_server_without_cleanup_is_reported(serve: Any) -> None:
    def handler(_: Any) -> Any:
        raise Unimplemented("snapshotter does not implement Cleanup method")

    served = serve(service(CLEANUP, handler))
    with (
        connected(served.address) as snapshotter,
        pytest.raises(Unimplemented, match="does not implement Cleanup"),
    ):
        snapshotter.cleanup()


def test_a_proxy_has_one_keyspace() -> None:
    with connected("/s") as snapshotter, pytest.raises(Unimplemented) as caught:
        snapshotter.keyspace("team")
    assert str(caught.value) == (
        "keyspace 'team': a snapshotter behind a socket has only the one of the server for 's'"
    )


def test_a_missing_server_is_not_reported_as_lamina(tmp_path: Path) -> None:
    with connected(f"{tmp_path}/no.sock") as snapshotter, pytest.raises(Unavailable) as caught:
        snapshotter.stat("k")
    assert str(caught.value) == f"{tmp_path}/no.sock: No such file or directory: is its server running?"


def test_an_invalid_address_is_refused_at_once() -> None:
    with pytest.raises(InvalidArgument, match="expected the path of a unix socket"):
        ProxySnapshotter.connect("tcp://localhost:1", "s")
