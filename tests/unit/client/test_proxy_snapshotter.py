"""The snapshotter over gRPC: the request of each method, and the conversion of answers."""

import threading

import pytest

from lamina.api import Method, Service, info_to_proto, mounts_to_proto
from lamina.api.messages import snapshots_pb2
from lamina.api.messages.empty_pb2 import Empty
from lamina.client import Client
from lamina.context import CallContext, current, use
from lamina.errdefs import Canceled, FilterSyntaxError, InvalidArgument, NotFound
from lamina.mount import Mount
from lamina.snapshots import Info, Kind, Snapshotter, Usage

INFO = Info("k", Kind.ACTIVE, "p", {"a": "b"}, created=-62_135_596_800 * 10**9, updated=5)
MOUNTS = [Mount("overlay", "overlay", ("index=off", "lowerdir=/1:/2")), Mount("bind", "/x", ("ro",), "sub")]
WIRE_MOUNTS = mounts_to_proto(MOUNTS)

METHODS = {
    "Stat": snapshots_pb2.StatSnapshotRequest,
    "Update": snapshots_pb2.UpdateSnapshotRequest,
    "Usage": snapshots_pb2.UsageRequest,
    "Mounts": snapshots_pb2.MountsRequest,
    "Prepare": snapshots_pb2.PrepareSnapshotRequest,
    "View": snapshots_pb2.ViewSnapshotRequest,
    "Commit": snapshots_pb2.CommitSnapshotRequest,
    "Remove": snapshots_pb2.RemoveSnapshotRequest,
    "List": snapshots_pb2.ListSnapshotsRequest,
    "Cleanup": snapshots_pb2.CleanupRequest,
}
ANSWERS = {
    "Stat": snapshots_pb2.StatSnapshotResponse(info=info_to_proto(INFO)),
    "Update": snapshots_pb2.UpdateSnapshotResponse(info=info_to_proto(INFO)),
    "Usage": snapshots_pb2.UsageResponse(size=1 << 40, inodes=3),
    "Mounts": snapshots_pb2.MountsResponse(mounts=WIRE_MOUNTS),
    "Prepare": snapshots_pb2.PrepareSnapshotResponse(mounts=WIRE_MOUNTS),
    "View": snapshots_pb2.ViewSnapshotResponse(mounts=WIRE_MOUNTS),
    "Commit": Empty(),
    "Remove": Empty(),
    "Cleanup": Empty(),
}


def snapshots_service(**handlers):
    methods = tuple(
        Method(name, METHODS[name], handler, streams=name == "List") for name, handler in handlers.items()
    )
    return Service("containerd.services.snapshots.v1.Snapshots", methods)


@pytest.fixture
def connect(serve):
    """`connect(Stat=handler, …)`: a snapshotter on a server with those methods."""
    clients = []

    def start(**handlers):
        clients.append(Client(serve(snapshots_service(**handlers)).address, timeout=120))
        return clients[-1].snapshotter("s")

    yield start
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("method", "call", "request_fields", "result"),
    [
        ("Stat", lambda s: s.stat("k"), {"key": "k"}, INFO),
        ("Usage", lambda s: s.usage("k"), {"key": "k"}, Usage(1 << 40, 3)),
        ("Mounts", lambda s: s.mounts("k"), {"key": "k"}, MOUNTS),
        ("Prepare", lambda s: s.prepare("k"), {"key": "k"}, MOUNTS),
        (
            "Prepare",
            lambda s: s.prepare("k", "p", {"l": "v"}),
            {"key": "k", "parent": "p", "labels": {"l": "v"}},
            MOUNTS,
        ),
        (
            "View",
            lambda s: s.view("k", "p", {"l": "v"}),
            {"key": "k", "parent": "p", "labels": {"l": "v"}},
            MOUNTS,
        ),
        ("Commit", lambda s: s.commit("n", "k"), {"name": "n", "key": "k"}, None),
        (
            "Commit",
            lambda s: s.commit("n", "k", {"l": "v"}, parent="p"),
            {"name": "n", "key": "k", "labels": {"l": "v"}, "parent": "p"},
            None,
        ),
        ("Remove", lambda s: s.remove("k"), {"key": "k"}, None),
        ("Cleanup", lambda s: s.cleanup(), {}, None),
        ("Update", lambda s: s.update(INFO), {"info": info_to_proto(INFO)}, INFO),
        (
            "Update",
            lambda s: s.update(INFO, ("labels.containerd.io/gc.root", "labels.a")),
            {"info": info_to_proto(INFO), "update_mask": {"paths": ["labels.containerd.io/gc.root", "labels.a"]}},
            INFO,
        ),
    ],
)
def test_a_method_sends_its_request_and_returns_the_answer(connect, method, call, request_fields, result):
    requests = []
    snapshotter = connect(**{method: lambda request: requests.append(request) or ANSWERS[method]})
    assert isinstance(snapshotter, Snapshotter)
    assert call(snapshotter) == result
    assert requests == [METHODS[method](snapshotter="s", **request_fields)]


def chunks(count, size=100):
    infos = [Info(f"k{number:05}") for number in range(count)]
    for start in range(0, count, size):
        yield snapshots_pb2.ListSnapshotsResponse(info=map(info_to_proto, infos[start : start + size]))


@pytest.mark.parametrize("count", [0, 1, 100, 101, 5000])
def test_a_walk_yields_every_info_of_every_message_in_order(connect, count):
    requests = []

    def handler(request):
        requests.append(request)
        yield from chunks(count)

    snapshotter = connect(List=handler)
    assert [info.name for info in snapshotter.walk("kind==active", "name==x")] == [
        f"k{n:05}" for n in range(count)
    ]
    assert [list(request.filters) for request in requests] == [["kind==active", "name==x"]]


def test_a_walk_left_early_ends_on_the_server_too(connect):
    """A walk reads lazily, so that even an endless list can be used."""
    ended = threading.Event()

    def handler(_):
        try:
            while True:
                yield from chunks(100)
        finally:
            ended.set()

    walk = connect(List=handler).walk()
    assert next(walk).name == "k00000"
    walk.close()
    assert ended.wait(60)


def test_cancelling_the_context_ends_a_walk(connect):
    def handler(_):
        while not current().cancelled:
            yield from chunks(100)

    context = CallContext()
    with use(context):
        walk = connect(List=handler).walk()
        next(walk)
        context.cancel()
        with pytest.raises(Canceled):
            list(walk)


def test_other_calls_may_be_made_inside_a_walk(connect):
    snapshotter = connect(List=lambda _: chunks(250), Stat=lambda _: ANSWERS["Stat"])
    assert [snapshotter.stat(info.name) for info in snapshotter.walk()] == [INFO] * 250


def test_not_found_is_an_empty_walk(connect):
    """containerd's own snapshotters answer NotFound while their store is empty."""

    def handler(_):
        raise NotFound("bucket does not exist")
        yield

    assert list(connect(List=handler).walk()) == []


def test_a_filters_error_is_the_servers(connect):
    def handler(_):
        raise FilterSyntaxError("filters: parse error")
        yield

    with pytest.raises(InvalidArgument, match=r"^filters: parse error$"):
        next(connect(List=handler).walk("=="))


def test_a_walk_that_fails_raises_after_the_first_results(connect):
    def handler(_):
        yield from chunks(100)
        raise InvalidArgument("broken")

    walk = connect(List=handler).walk()
    assert [next(walk).name for _ in range(100)][-1] == "k00099"
    with pytest.raises(InvalidArgument, match="broken"):
        next(walk)


def test_a_key_that_is_not_utf8_is_refused_before_it_is_sent(connect):
    with pytest.raises(InvalidArgument, match="not UTF-8 text"):
        connect().stat("\udcff")


def test_a_time_out_of_bounds_in_an_answer_is_an_invalid_argument(connect):
    answer = snapshots_pb2.StatSnapshotResponse(info={"name": "k", "created_at": {"nanos": -1}})
    with pytest.raises(InvalidArgument, match="timestamp"):
        connect(Stat=lambda _: answer).stat("k")


def test_closing_a_snapshotter_leaves_the_client_open(connect):
    snapshotter = connect(Stat=lambda _: ANSWERS["Stat"])
    snapshotter.close()
    assert snapshotter.stat("k") == INFO
