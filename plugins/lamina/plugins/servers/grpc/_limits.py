"""Limits to what clients can make a listener hold."""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_QUEUED: Final = 1024
"""Calls that may wait for a worker of a pool."""
MAX_IN_FLIGHT: Final = 4096
"""Calls that may be in flight: waiting, or being answered."""
MAX_IN_FLIGHT_BYTES: Final = 64 << 20
"""Bytes in the requests of all calls in flight. A single request may have more."""
MAX_CONCURRENT_STREAMS: Final = 1024
"""Calls that a connection may have open; a client delays further ones (RFC 9113, 5.1.2). More than can queue for a
backend that hangs, because a containerd makes all its calls on one connection."""
MAX_OPEN_STREAMS: Final = 32
"""Streams that may stay open at a time because they wait for something to report, as the health service's do."""
MAX_REQUEST: Final = 4 << 20
"""Bytes in a request if no limit is given: gRPC's default."""
STALL_TIMEOUT: Final = 300.0
"""Seconds after which a stream is ended whose client reads nothing."""
CANCEL_GRACE: Final = 2.0
"""Seconds that cancelled calls have to end."""
RETIRE_GRACE: Final = 1.0
"""Seconds that clients have to close their connections before calls are refused, when a host stops: enough for
those of a busy machine."""


class Limits(NamedTuple):
    """Limits of one engine."""

    quick_workers: int
    """Quick calls that may be answered at a time."""
    slow_workers: int
    """Calls that may block at a time: slow ones, and quick ones on a slow backend."""
    max_recv_message_size: int = 0
    """Bytes in a request; 0 for gRPC's default."""
    max_send_message_size: int = 0
    """Bytes in a response; 0 for no limit."""
    stalled: float = STALL_TIMEOUT
    """Seconds after which a stream is ended whose client reads nothing."""
