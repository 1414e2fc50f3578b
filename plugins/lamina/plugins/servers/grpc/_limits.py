"""Limits to what clients can make a listener hold."""

from __future__ import annotations

from typing import Final

import attrs

MAX_QUEUED: Final = 1024
"""How many calls may wait for a worker of a pool."""
MAX_IN_FLIGHT: Final = 4096
"""How many calls may be in flight, waiting or answered."""
MAX_IN_FLIGHT_BYTES: Final = 64 << 20
"""Bytes in the requests of all calls in flight. One request alone may have more."""
MAX_CONCURRENT_STREAMS: Final = 1024
"""How many calls a connection may have open; a client lets further ones wait (RFC 9113, 5.1.2). More than wait for
a backend that hangs: a containerd has one connection for all its calls."""
MAX_OPEN_STREAMS: Final = 32
"""How many streams may stay open at a time that are not slow, but wait for something to tell."""
STALL_TIMEOUT: Final = 300.0
"""Seconds after which a stream ends whose client takes nothing from it."""
CANCEL_GRACE: Final = 2.0
"""Seconds that cancelled calls are given to notice."""


@attrs.frozen(kw_only=True)
class Limits:
    """How much an engine takes on."""

    quick_workers: int
    """How many quick calls are answered at a time."""
    slow_workers: int
    """How many calls may block at a time: slow ones, and quick ones on a backend that is not."""
    max_recv_message_size: int = 0
    """Bytes in a request; 0: grpc's own limit."""
    max_send_message_size: int = 0
    """Bytes in a response; 0: no limit."""
    stalled: float = STALL_TIMEOUT
    """Seconds after which a stream ends whose client takes nothing from it."""
