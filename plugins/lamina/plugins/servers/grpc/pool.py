"""Threads that answer calls, and limits to what they can be made to hold."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

import attrs

from lamina.context import current

_log = logging.getLogger(__name__)

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
WANTED: Final = 5.0
"""As `STALLED`, where a stream holds a thread that others want."""
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


class Stalls:
    """Cancels what a client has stopped reading: each such stream holds a thread."""

    def __init__(self, seconds: float) -> None:
        """Set the limit.

        Args:
            seconds: How long a client may take over one message, where that keeps nobody waiting.
        """
        self._seconds = seconds
        self._since: dict[Callable[[], object], tuple[float, str, Callable[[], bool]]] = {}
        """When the message was sent, the trace id of its call, and whether others want its thread."""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._watch, name="stalls", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    @contextlib.contextmanager
    def sending(self, cancel: Callable[[], object], wanted: Callable[[], bool]) -> Iterator[None]:
        """A block in which a message is sent.

        Args:
            cancel: Ends the sending; called if the block takes too long.
            wanted: Tells whether others want its thread: then `WANTED` seconds are too long.
        """
        self._since[cancel] = time.monotonic(), current().trace_id, wanted
        try:
            yield
        finally:
            del self._since[cancel]

    def _watch(self) -> None:
        while not self._stopped.wait(min(self._seconds, WANTED) / 4):
            now = time.monotonic()
            for cancel, (since, trace_id, wanted) in self._since.copy().items():
                if since < now - self._seconds or (since < now - WANTED and wanted()):
                    fields = {"trace_id": trace_id}
                    _log.warning("cancelled a stream whose client has stopped reading", extra=fields)
                    cancel()
