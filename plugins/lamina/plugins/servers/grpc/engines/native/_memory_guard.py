"""`MemoryGuard`: closes connections whose unfinished requests take too much memory."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import socket
import struct
import threading
import time
from typing import Final, NamedTuple

from lamina.plugins.servers.grpc._connections import Connections

_log = logging.getLogger(__name__)

MAX_MEMORY: Final = 1 << 30
"""Bytes by which the memory of the process may grow."""
MAX_ADDRESSES: Final = 1 << 40
"""Bytes by which its address space may grow. It ends at 2**47, where an allocation ends the process."""
_INTERVAL: Final = 0.1
"""Seconds between two checks of the memory, in which a client sends some 100 MiB."""
_CHECKS: Final = 50
"""Checks of the memory for each check of the connections."""
_FIRST: Final = 64
"""Connections that are closed before the next check of the memory; then twice as many, and so on."""
_RELEASE: Final = 0.1
"""Seconds in which the memory of closed connections is released."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_CREDENTIALS: Final = struct.Struct("3i")
"""`struct ucred`: process, user and group (unix(7))."""


class Memory(NamedTuple):
    """Memory of this process, in bytes."""

    addresses: int
    private: int
    """Resident memory that is not that of files."""

    @classmethod
    def now(cls) -> Memory:
        """Read it (proc_pid_statm(5))."""
        with open("/proc/self/statm", "rb") as file:
            size, resident, shared, *_ = map(int, file.read().split())
        return cls(size * _PAGE, (resident - shared) * _PAGE)


class MemoryGuard:
    """Watches the memory of the process in a thread, and closes connections of a socket while there is too much.

    pygrpc-native buffers all that has arrived of a request, whatever the limit for its size is, and allocates the
    whole size that it announces. It reports a request only once it is complete, and no size of a buffer. So the
    guard closes the newest connections first, until the memory is back: clients that stay are the older ones.
    """

    def __init__(self, path: str, max_memory: int = MAX_MEMORY, max_addresses: int = MAX_ADDRESSES) -> None:
        """Create a guard that does not watch yet.

        Args:
            path: The path to which the socket was bound.
            max_memory: Bytes by which private memory may grow.
            max_addresses: Bytes by which the address space may grow.
        """
        self._connections = Connections(path)
        self._max_memory = max_memory
        self._max_addresses = max_addresses
        self._own = Memory(0, 0)
        """Memory that connections do not take: the minimum since the start."""
        self._noted: dict[int, float] = {}
        """The times at which connections were noted, by inode."""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start to watch."""
        self._own = Memory.now()
        threading.Thread(target=self._watch, name="memory guard", daemon=True).start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopped.set()

    def _watch(self) -> None:
        for check in itertools.count():
            if self._stopped.wait(_INTERVAL):
                return
            with contextlib.suppress(OSError):  # no descriptor is free: there may be one at the next check
                if self._is_over(1.0):
                    self._relieve()
                elif check % _CHECKS == 0:
                    self.note_connections()

    def note_connections(self) -> None:
        """Record the present connections. All later ones count as newer."""
        now = time.monotonic()
        self._noted = {inode: self._noted.get(inode, now) for inode in self._connections.find()}

    def _is_over(self, part: float) -> bool:
        """Return whether the memory has grown by more than a part of the limit."""
        now, own = Memory.now(), self._own
        self._own = Memory(min(now.addresses, own.addresses), min(now.private, own.private))
        return (
            now.private - own.private > part * self._max_memory
            or now.addresses - own.addresses > part * self._max_addresses
        )

    def _relieve(self) -> None:
        """Close the newest connections until half of the permitted memory is free again."""
        peers: list[int] = []
        found = self._connections.find()
        newest_first = iter(sorted(found, key=lambda inode: self._noted.get(inode, math.inf), reverse=True))
        while batch := list(itertools.islice(newest_first, max(_FIRST, len(peers)))):
            for inode in batch:
                with contextlib.suppress(OSError), self._connections.opened(inode, found[inode]) as connection:
                    peers.append(_peer(connection))
                    connection.shutdown(socket.SHUT_RDWR)
            self._stopped.wait(_RELEASE)
            if not self._is_over(0.5):
                break
        else:
            self._own = Memory.now()  # until it falls: the memory is not that of connections
        fields = {"connections": len(peers), "processes": ", ".join(map(str, sorted({*peers})))}
        _log.warning("closed connections: requests that are not complete take too much memory", extra=fields)


def _peer(connection: socket.socket) -> int:
    """Return the process that has connected."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process: int = _CREDENTIALS.unpack(data)[0]
    return process
