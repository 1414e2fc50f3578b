"""Threads that answer calls, and limits to what they can be made to hold."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

import attrs

WAITING: Final = 1024
"""How many calls may wait for a worker of a pool."""
IN_FLIGHT: Final = 4096
"""How many calls may be in flight, waiting or answered."""
IN_FLIGHT_BYTES: Final = 64 << 20
"""Bytes in the requests of all calls in flight. One request alone may have more."""
STREAMS: Final = 1024
"""How many calls a connection may have open; a client lets further ones wait (RFC 9113, 5.1.2). More than wait for
a backend that hangs: a containerd has one connection for all its calls."""
LASTING: Final = 32
"""How many streams may stay open at a time that are not slow, but wait for something to tell."""
STALLED: Final = 300.0
"""Seconds after which a stream ends whose client takes nothing from it."""
LEFT: Final = 2.0
"""Seconds that cancelled calls are given to notice."""

T = TypeVar("T")


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
    stalled: float = STALLED
    """Seconds after which a stream ends whose client takes nothing from it."""


@attrs.frozen
class Load:
    """How many calls a pool has."""

    pool: str
    running: int
    waiting: int
    backend: str = ""
    """The backend that the calls use, where the pool tells."""


class Pool(ThreadPoolExecutor):
    """Worker threads that know how many calls they have. Threads start when they are first needed."""

    def __init__(self, name: str, workers: int, waiting: int) -> None:
        """Make a pool.

        Args:
            name: What its threads are named after.
            workers: How many calls are answered at a time.
            waiting: How many more may wait for that.
        """
        super().__init__(workers, thread_name_prefix=name)
        self._name = name
        self.limit = workers + waiting
        self._calls: set[Future[Any]] = set()
        self._offers = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether there are as many calls as there may be. `submit` itself refuses nothing."""
        return len(self._calls) >= self.limit

    def offer(self, function: Callable[..., object], /, *args: Any) -> bool:
        """Submit a call, unless there are as many as there may be; whether it was taken."""
        with self._offers:
            if self.full:
                return False
            self.submit(function, *args)
            return True

    def submit(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """As `Executor.submit`."""
        call = super().submit(function, *args, **kwargs)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return call

    def calls(self) -> set[Future[Any]]:
        """The calls that run or wait."""
        return self._calls.copy()

    def load(self) -> Load:
        """How many calls run, and how many wait."""
        calls = self.calls()
        running = sum(call.running() for call in calls)
        return Load(self._name, running, len(calls) - running)
