"""Clients that do their worst with HTTP/2 itself: frames, headers and connections."""

from __future__ import annotations

import contextlib
import socket
import struct

import grpc

from lamina.api.messages import snapshots_pb2 as pb
from tests.support.hostile.clients import HEALTH, MIB, SNAPSHOTS, SNAPSHOTTER, attack, flood, raw
from tests.support.listener.raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Connection,
    call,
    frame,
    headers,
    message,
)


@attack
def another_content_type(path: str, factor: int) -> None:
    for value in ("text/html", "application/json", "application/grpc-web"):
        block = headers(f"{HEALTH}/Check", content_type=value)
        raw(path, frame(HEADERS, END_HEADERS | END_STREAM, 1, block), times=factor)


@attack
def compressed_messages(path: str, factor: int) -> None:
    """A megabyte of zeros to the kilobyte."""
    request = pb.PrepareSnapshotRequest(snapshotter=SNAPSHOTTER, key="\0" * (15 * MIB))
    flood(path, f"{SNAPSHOTS}/Prepare", [request] * 10 * factor, compression=grpc.Compression.Gzip)


@attack
def a_compressed_flag_without_an_encoding(path: str, factor: int) -> None:
    start = frame(HEADERS, END_HEADERS, 1, headers(f"{HEALTH}/Check"))
    raw(path, start + frame(DATA, END_STREAM, 1, message(b"x" * 100, compressed=True)), times=factor)


@attack
def headers_that_are_too_large(path: str, factor: int) -> None:
    block = headers(f"{HEALTH}/Check", **{f"x_{number}": "y" * 1000 for number in range(100)})
    first, rest = block[:16_000], [block[at : at + 16_000] for at in range(16_000, len(block), 16_000)]
    frames = frame(HEADERS, END_STREAM, 1, first)
    for number, part in enumerate(rest):
        frames += frame(CONTINUATION, END_HEADERS if number == len(rest) - 1 else 0, 1, part)
    raw(path, frames, times=factor)


@attack
def a_flood_of_continuations(path: str, factor: int) -> None:
    """CVE-2024-27316 and its kind: a header block that never ends."""
    with Connection(path) as connection:
        connection.send(frame(HEADERS, 0, 1, headers(f"{HEALTH}/Check")))
        part = frame(CONTINUATION, 0, 1, b"\0\x01x\x7f\x81\x7d" + b"y" * 16_124)
        for _ in range(2000 * factor):
            if not connection.send(part):
                break
            connection.drain()


@attack
def rapid_resets(path: str, factor: int) -> None:
    """CVE-2023-44487."""
    request = pb.UsageRequest(snapshotter=SNAPSHOTTER, key="k").SerializeToString()
    with Connection(path) as connection:
        for stream in range(1, 10_000 * factor, 2):
            connection.send(call(stream, f"{SNAPSHOTS}/Usage", request))
            if not connection.send(frame(RST_STREAM, 0, stream, struct.pack(">I", 8))):
                break
            connection.drain()


@attack
def a_flood_of_pings(path: str, factor: int) -> None:
    raw(path, frame(PING, 0, 0, b"12345678") * 100, times=500 * factor)


@attack
def a_flood_of_pings_without_reading(path: str, factor: int) -> None:
    with Connection(path) as connection:
        for _ in range(500 * factor):
            if not connection.send(frame(PING, 0, 0, b"12345678") * 100):
                break


@attack
def a_flood_of_settings(path: str, factor: int) -> None:
    raw(path, frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 100) * 50) * 10, times=300 * factor)


@attack
def windows_that_overflow(path: str, factor: int) -> None:
    raw(path, frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1)) * 3, times=factor)


@attack
def windows_of_zero(path: str, factor: int) -> None:
    no_window = PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0))
    with contextlib.ExitStack() as stack:
        for _ in range(20 * factor):
            connection = stack.enter_context(Connection(path, no_window))
            for stream in range(1, 100, 2):
                connection.send(call(stream, f"{HEALTH}/Check", b""))


@attack
def empty_frames(path: str, factor: int) -> None:
    """CVE-2019-9518."""
    with Connection(path) as connection:
        connection.send(frame(HEADERS, END_HEADERS, 1, headers(f"{HEALTH}/Check")))
        for _ in range(300 * factor):
            if not connection.send(frame(DATA, 0, 1) * 100):
                break
            connection.drain()


@attack
def frames_that_are_too_large(path: str, factor: int) -> None:
    raw(path, struct.pack(">I", 2**24 - 1)[1:] + b"\0\0\0\0\0\1" + b"x" * MIB, times=factor)


@attack
def a_preface_that_never_ends(path: str, factor: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100 * factor):
            stack.enter_context(Connection(path, PREFACE[:7]))


@attack
def garbage_instead_of_a_preface(path: str, factor: int) -> None:
    for number in range(50 * factor):
        raw(path, bytes([number % 256]) * 10_000, start=b"")


@attack
def http_1(path: str, factor: int) -> None:
    for _ in range(50 * factor):
        raw(path, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"x: y\r\n" * 1000, start=b"")


@attack
def hundreds_of_connections(path: str, factor: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(500 * factor):
            with contextlib.suppress(OSError):
                stack.enter_context(Connection(path))


@attack
def connections_that_close_at_once(path: str, factor: int) -> None:
    for _ in range(500 * factor):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as one:
            one.settimeout(1)
            one.connect(path)
