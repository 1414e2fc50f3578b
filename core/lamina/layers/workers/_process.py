"""The program of a worker process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
import time
from typing import Final

from lamina.errdefs import to_status
from lamina.layers import comparing
from lamina.layers._written import WrittenLayer, write_layer
from lamina.layers.applying import Applied, ParentNeeded, apply_layer
from lamina.layers.compression import open_layer
from lamina.layers.workers._messages import (
    LARGEST,
    MOST_FDS,
    ApplyRequest,
    CompareRequest,
    Failed,
    NeedsParent,
    Result,
    Working,
    decode_request,
    encode,
    encode_output,
)

_SECONDS: Final = 0.1
"""Minimum time between two packets that report progress."""


def main(fd: int) -> None:
    """Serve the requests that the other end of a socket sends, until it is closed."""
    # The terminal and systemd send these to all processes at once, while the owner may still finish its calls.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0)
    connection = socket.socket(fileno=fd)
    threading.Thread(target=_exit_with_owner, args=(fd,), name="exit", daemon=True).start()
    with contextlib.suppress(ConnectionError):  # the owner has died, and left packets unread
        while _serve_one(connection):
            pass


def _serve_one(connection: socket.socket) -> bool:
    """Serve the next request; return whether there was one."""
    packet, fds, _, _ = socket.recv_fds(connection, LARGEST, MOST_FDS, socket.MSG_CMSG_CLOEXEC)
    if packet:
        connection.send(encode(_work(connection, packet, fds)))
    return bool(packet)


def _exit_with_owner(fd: int) -> None:
    """Exit, even in the middle of a layer, when the owner has closed its end of the socket or has died.

    PR_SET_PDEATHSIG of prctl(2) would not do: it reports the end of the thread that started this process.
    """
    poll = select.poll()
    poll.register(fd, 0)  # POLLHUP needs no asking for
    poll.poll()
    os._exit(0)


def _work(connection: socket.socket, packet: bytes, fds: list[int]) -> Result:
    """Carry out a request. Its descriptors are closed before the answer, after which the owner may unmount."""
    with contextlib.ExitStack() as stack:
        for fd in fds:
            stack.callback(os.close, fd)
        try:
            request = decode_request(packet)
            if isinstance(request, CompareRequest):
                return _compare(connection, request, fds)
            return _apply(connection, request, fds)
        except ParentNeeded as error:
            return NeedsParent(str(error))
        except Exception as error:  # noqa: BLE001 - the owner raises it
            return Failed(*to_status(error))


def _apply(connection: socket.socket, request: ApplyRequest, fds: list[int]) -> Applied:
    blob, root, *parent = fds
    with open_layer(blob, offset=request.offset, size=request.size) as stream:
        return apply_layer(
            stream,
            root,
            whiteouts=request.whiteouts,
            parent_fd=parent[0] if parent else None,
            limits=request.limits,
            progress=_Progress(connection).report,
        )


def _compare(connection: socket.socket, request: CompareRequest, fds: list[int]) -> WrittenLayer:
    upper, *others = fds
    lower = others.pop(0) if request.has_lower else None

    def write(data: bytes | memoryview) -> None:
        view = memoryview(data)
        for start in range(0, len(view), LARGEST - 1):
            connection.sendmsg(encode_output(view[start : start + LARGEST - 1]))

    return write_layer(
        comparing.compare(comparing.Trees(lower, upper, others if request.has_layers else None)),
        write,
        compression=request.compression,
        source_date_epoch=request.source_date_epoch,
        progress=_Progress(connection).report,
    )


class _Progress:
    """Reports progress from time to time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._next = time.monotonic() + _SECONDS

    def report(self, done: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SECONDS
            self._connection.send(encode(Working(done)))
