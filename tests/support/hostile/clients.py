"""Clients that do their worst: each attack is a function of the host under attack and of how much to do."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from lamina.api.messages import snapshots_pb2 as pb
from lamina.api.messages.health_pb2 import HealthCheckRequest
from lamina.api.messages.introspection_pb2 import PluginsRequest
from tests.support.listener.raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    SETTINGS,
    Connection,
    call,
    frame,
    headers,
    message,
)

SNAPSHOTS: Final = "containerd.services.snapshots.v1.Snapshots"
HEALTH: Final = "grpc.health.v1.Health"
SNAPSHOTTER: Final = "native"
HUNG: Final = "hung"
"""A snapshotter behind a socket on which nobody answers."""
SECONDS: Final = 2.0
"""How long an attacker waits for its calls."""
MIB: Final = 1 << 20

Attack = Callable[[str, int], None]
"""Takes the path of the socket, and a factor of how much to do."""
ATTACKS: Final[dict[str, Attack]] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__.replace("_", " ")] = function
    return function


@contextlib.contextmanager
def channel(path: str) -> Iterator[grpc.Channel]:
    """A connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"unix:{path}", options=options) as made:
        yield made


def flood(
    path: str,
    method: str,
    requests: list[Message | bytes],
    *,
    connections: int = 1,
    seconds: float = SECONDS,
    **options: Any,
) -> None:
    """Make calls all at once, and see what becomes of them."""
    with contextlib.ExitStack() as stack:
        channels = [stack.enter_context(channel(path)) for _ in range(connections)]
        calls = []
        for number, request in enumerate(requests):
            data = request if isinstance(request, bytes) else request.SerializeToString()
            stub = channels[number % connections].unary_unary(f"/{method}")
            calls.append(stub.future(data, timeout=seconds, **options))
        for one in calls:
            with contextlib.suppress(grpc.RpcError, grpc.FutureCancelledError):
                one.result()


def listing(path: str, *filters: str) -> None:
    """List with filters."""
    request = pb.ListSnapshotsRequest(snapshotter=SNAPSHOTTER, filters=filters).SerializeToString()
    with channel(path) as made, contextlib.suppress(grpc.RpcError):
        list(made.unary_stream(f"/{SNAPSHOTS}/List")(request, timeout=SECONDS))


def raw(path: str, data: bytes, *, start: bytes = PREFACE + frame(SETTINGS, 0, 0), times: int = 1) -> None:
    """Send the same bytes again and again, and read what comes."""
    with Connection(path, start) as connection:
        for _ in range(times):
            if not connection.send(data):
                break
            connection.drain()


@attack
def a_huge_filter(path: str, factor: int) -> None:
    for _ in range(4 * factor):
        listing(path, "labels.l==" + "x" * (8 * MIB))


@attack
def deep_parentheses(path: str, factor: int) -> None:
    for _ in range(4 * factor):
        listing(path, "labels.l~=|" + "(" * 50_000 + ")" * 50_000 + "|")
        listing(path, "labels.l~=|" + "(" * 2000 + ")" * 2000 + "|")


@attack
def many_filters(path: str, factor: int) -> None:
    listing(path, *["name==x"] * 100_000 * factor)


@attack
def many_patterns(path: str, factor: int) -> None:
    for _ in range(2 * factor):
        listing(path, *[f"name~={'x?' * 1900}{number}" for number in range(64)])


@attack
def patterns_that_need_memory(path: str, factor: int) -> None:
    for _ in range(2 * factor):
        listing(path, *[r"name~=[\pL\pN]{1000}"] * 64)


@attack
def introspection_filters(path: str, factor: int) -> None:
    requests = [PluginsRequest(filters=[f"id~={'x?' * 1900}{number}"] * 60) for number in range(20 * factor)]
    flood(path, "containerd.services.introspection.v1.Introspection/Plugins", requests)


@attack
def large_requests(path: str, factor: int) -> None:
    request = pb.PrepareSnapshotRequest(snapshotter=SNAPSHOTTER, key="k" * (15 * MIB))
    flood(path, f"{SNAPSHOTS}/Prepare", [request] * 40 * factor, connections=40)


@attack
def too_large_requests(path: str, factor: int) -> None:
    flood(path, f"{SNAPSHOTS}/Prepare", [b"x" * (20 * MIB)] * 10 * factor, connections=10)


@attack
def a_message_that_says_it_has_4_gib(path: str, factor: int) -> None:
    start = frame(HEADERS, END_HEADERS, 1, headers(f"{SNAPSHOTS}/Prepare"))
    raw(path, start + frame(DATA, 0, 1, message(b"x" * 1000, length=2**32 - 1)), times=factor)


@attack
def millions_of_labels(path: str, factor: int) -> None:
    labels = {f"{number}": "" for number in range(200_000)}
    request = pb.PrepareSnapshotRequest(snapshotter=SNAPSHOTTER, key="labelled", labels=labels)
    flood(path, f"{SNAPSHOTS}/Prepare", [request] * 4 * factor)


@attack
def the_longest_keys(path: str, factor: int) -> None:
    keys = [f"{number}".rjust(32_768, "k") for number in range(30 * factor)]
    for request, method in ((pb.PrepareSnapshotRequest, "Prepare"), (pb.RemoveSnapshotRequest, "Remove")):
        flood(path, f"{SNAPSHOTS}/{method}", [request(snapshotter=SNAPSHOTTER, key=key) for key in keys])


@attack
def keys_that_are_too_long(path: str, factor: int) -> None:
    request = pb.StatSnapshotRequest(snapshotter=SNAPSHOTTER, key="k" * MIB)
    flood(path, f"{SNAPSHOTS}/Stat", [request] * 50 * factor)


@attack
def text_that_is_not_utf_8(path: str, factor: int) -> None:
    flood(path, f"{SNAPSHOTS}/Stat", [b"\x0a\x02\xff\xfe\x12\x02\xc0\x80"] * 200 * factor)


@attack
def messages_nested_too_deep(path: str, factor: int) -> None:
    flood(path, f"{SNAPSHOTS}/Stat", [b"\x7b" * 100_000] * 20 * factor)


@attack
def unknown_methods(path: str, factor: int) -> None:
    for number in range(200 * factor):
        flood(path, f"no.such.Service/{number}", [b""])


@attack
def unfinished_calls(path: str, factor: int) -> None:
    block = headers(f"{SNAPSHOTS}/Prepare")
    with contextlib.ExitStack() as stack:
        for _ in range(8 * factor):
            connection = stack.enter_context(Connection(path))
            for stream in range(1, 2000, 2):
                connection.send(frame(HEADERS, END_HEADERS, stream, block))
            connection.drain()


@attack
def half_messages(path: str, factor: int) -> None:
    start = headers(f"{SNAPSHOTS}/Prepare")
    with contextlib.ExitStack() as stack:
        for _ in range(8 * factor):
            connection = stack.enter_context(Connection(path))
            for stream in range(1, 200, 2):
                connection.send(frame(HEADERS, END_HEADERS, stream, start))
                connection.send(frame(DATA, 0, stream, message(b"x" * 500, length=15 * MIB)))
            connection.drain()


def announced_sizes(path: str, connections: int) -> None:
    """Announce messages of 4 GiB, send a byte of each, and wait until the host has seen all of them."""
    start, begin = headers(f"{SNAPSHOTS}/Prepare"), message(b"x", length=2**32 - 1)
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(Connection(path)) for _ in range(connections)]
        for connection in made:
            for stream in range(1, 2000, 2):
                connection.send(frame(HEADERS, END_HEADERS, stream, start) + frame(DATA, 0, stream, begin))
            connection.send(frame(PING, 0, 0, b"all sent"))
        for connection in made:
            with contextlib.suppress(OSError):
                received = b""
                while b"all sent" not in received and (data := connection.socket.recv(1 << 16)):
                    received += data


@attack
def lists_that_nobody_reads(path: str, factor: int) -> None:
    request = pb.ListSnapshotsRequest(snapshotter=SNAPSHOTTER).SerializeToString()
    no_window = PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    with contextlib.ExitStack() as stack:
        for _ in range(40 * factor):
            connection = stack.enter_context(Connection(path, no_window))
            connection.send(call(1, f"{SNAPSHOTS}/List", request))


@attack
def health_watches(path: str, factor: int) -> None:
    request = HealthCheckRequest().SerializeToString()
    with channel(path) as made:
        watches = [made.unary_stream(f"/{HEALTH}/Watch")(request, timeout=SECONDS) for _ in range(100 * factor)]
        with contextlib.suppress(grpc.RpcError):
            next(watches[0])


@attack
def a_backend_that_hangs(path: str, factor: int) -> None:
    stat = pb.StatSnapshotRequest(snapshotter=HUNG, key="k")
    prepare = pb.PrepareSnapshotRequest(snapshotter=HUNG, key="k")
    flood(path, f"{SNAPSHOTS}/Stat", [stat] * 100 * factor)
    flood(path, f"{SNAPSHOTS}/Prepare", [prepare] * 100 * factor)


@attack
def storms_of_cancelled_calls(path: str, factor: int) -> None:
    request = pb.UsageRequest(snapshotter=SNAPSHOTTER, key="k").SerializeToString()
    with channel(path) as made:
        for _ in range(2000 * factor):
            made.unary_unary(f"/{SNAPSHOTS}/Usage").future(request, timeout=SECONDS).cancel()


@attack
def deadlines_that_are_over(path: str, factor: int) -> None:
    start = headers(f"{SNAPSHOTS}/Stat", grpc_timeout="1n")
    with Connection(path) as connection:
        for stream in range(1, 1000 * factor, 2):
            connection.send(frame(HEADERS, END_HEADERS, stream, start))
            connection.send(frame(DATA, END_STREAM, stream, message(b"")))
            connection.drain()


@attack
def deadlines_that_are_none(path: str, factor: int) -> None:
    for value in ("99999999H", "-1S", "x", "", "1" * 1000):
        block = headers(f"{SNAPSHOTS}/Stat", grpc_timeout=value)
        raw(path, frame(HEADERS, END_HEADERS, 1, block) + frame(DATA, END_STREAM, 1, message(b"")), times=factor)
