"""`Connections`: the sockets of clients, which engines do not show."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios
import time
from collections.abc import Iterator
from typing import Final

_DESCRIPTORS: Final = "/proc/self/fd"
_GOAWAY: Final = struct.pack(">BHBBIII", 0, 8, 7, 0, 0, 2**31 - 1, 0)
"""The frame of HTTP/2 that asks a client to begin no more calls on a connection, and takes those that it has begun
(RFC 9113, 6.8)."""
_POLL: Final = 0.001
"""Seconds between two checks of connections."""
_IDLE_CHECKS: Final = 3
"""Successive checks in which a connection must be idle before it gets the frame. In the meantime an engine
continues a frame that the client could not take at once."""


class Connections:
    """The connections of all clients of a socket. Any thread may call any method."""

    def __init__(self, path: str) -> None:
        """Find connections.

        Args:
            path: The path to which the socket was bound.
        """
        self._path = path

    def find(self) -> dict[int, int]:
        """Return the descriptors of the connections, by inode.

        Raises:
            OSError: No descriptor is free.
        """
        found = {}
        for name in os.listdir(_DESCRIPTORS):
            with contextlib.suppress(OSError), _borrowed(int(name)) as one:  # closed meanwhile, or no socket
                if self._is_of_client(one):
                    found[_inode(one)] = int(name)
        return found

    @contextlib.contextmanager
    def opened(self, inode: int, descriptor: int) -> Iterator[socket.socket]:
        """Yield a connection that `find` has found, for the block.

        Raises:
            OSError: It is closed.
        """
        with _borrowed(descriptor) as found:
            self._check(found, inode)
        with _duplicate(descriptor) as connection:
            self._check(connection, inode)
            yield connection

    def _check(self, found: socket.socket, inode: int) -> None:
        """Check that a descriptor has not become that of another socket, because the client was quicker."""
        if not self._is_of_client(found) or _inode(found) != inode:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def retire(self, timeout: float) -> None:
        """Ask clients to begin no more calls, and wait until they have closed their connections.

        A call that reaches a stopping engine is lost, and its client cannot know whether it was carried out:
        pygrpc-native 0.5.0 closes connections without asking, and grpcio asks, but cancels the calls that arrive
        meanwhile.

        Args:
            timeout: Seconds after which to return anyway.
        """
        latest = time.monotonic() + timeout
        idle: dict[int, int] = {}
        with contextlib.suppress(OSError):  # no descriptor is free: the connections are closed anyway
            while (found := self.find()) and time.monotonic() < latest:
                for inode, descriptor in found.items():
                    checks = idle.get(inode, 0) + 1
                    if checks <= _IDLE_CHECKS:
                        is_idle = self._ask_if_idle(inode, descriptor, ask=checks == _IDLE_CHECKS)
                        idle[inode] = checks if is_idle else 0
                time.sleep(_POLL)  # nothing tells when a client has read everything, or has closed

    def _ask_if_idle(self, inode: int, descriptor: int, *, ask: bool) -> bool:
        """Return whether the client has read everything that was sent; if so, send the frame if `ask` is set."""
        with contextlib.suppress(OSError), self.opened(inode, descriptor) as connection:
            if not any(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4))):
                return not ask or connection.send(_GOAWAY, socket.MSG_DONTWAIT) > 0
        return False

    def _is_of_client(self, found: socket.socket) -> bool:
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return found.family == socket.AF_UNIX and found.getsockname() == self._path and not listens


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Yield a socket of this process, to look at it during the block.

    Its owner may close it at any time, and the descriptor become that of another file. So nothing is done with it
    that would matter to another file: not even a duplicate is closed, which would release all locks that the
    process has on a file (fcntl(2)).

    Raises:
        OSError: It is closed, or no socket.
    """
    found = socket.socket(fileno=descriptor)
    try:
        yield found
    finally:
        found.detach()


@contextlib.contextmanager
def _duplicate(descriptor: int) -> Iterator[socket.socket]:
    """Yield a socket of this process, which its owner may close at any time, for the block.

    Call it of a descriptor that was that of a socket a moment ago (`_borrowed`).

    Raises:
        OSError: It is closed, or no socket.
    """
    duplicate = os.dup(descriptor)
    try:
        connection = socket.socket(fileno=duplicate)
    except OSError:
        os.close(duplicate)
        raise
    with connection:
        yield connection


def _inode(connection: socket.socket) -> int:
    return os.fstat(connection.fileno()).st_ino
