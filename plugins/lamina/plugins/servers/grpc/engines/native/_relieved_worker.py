"""`RelievedWorker`: one thread that does everything in turn, and is relieved by another when it blocks."""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from lamina.plugins.servers.grpc._load import Load

_log = logging.getLogger(__name__)

BLOCKED: Final = 0.005
"""Seconds after which a thread is taken to wait for something, not to compute: `sys.getswitchinterval()`."""

T = TypeVar("T")


class RelievedWorker(Generic[T]):
    """Receives items and handles them in the same thread, one at a time, as long as none blocks.

    Threads that compute side by side only take the interpreter's lock from one another, which costs two thirds of
    the calls per second, and handing a call to another thread costs more than answering it. But handling an item
    may also wait, for a disk or for another host: then another thread takes over, and receives from then on.
    """

    def __init__(
        self,
        name: str,
        receive: Callable[[], bool],
        handle: Callable[[T], object],
        limit: int,
        flush: Callable[[], object] = lambda: None,
    ) -> None:
        """Create a worker. It receives nothing before `start`.

        Args:
            name: Prefix of the names of its threads.
            receive: Waits for items, and passes each to `add`. Returns False once nothing more will come.
            handle: Handles an item. Exceptions are logged.
            limit: The number of items that may be handled at the same time.
            flush: Called by a thread that has handled all items, before it receives or ends.
        """
        self._name = name
        self._receive = receive
        self._handle = handle
        self._limit = limit
        self._flush = flush
        self._waiting: collections.deque[T] = collections.deque()
        self._shift = 0
        """Number of the thread that receives: threads before it were relieved."""
        self._begun: float | None = None
        """The start of the item that the receiving thread handles, by `time.monotonic()`; None: it has none."""
        self._relieved = 0
        """Threads that were relieved and still handle the item that blocked them."""
        self._receiver: threading.Thread | None = None
        """The thread that receives."""
        self._lock = threading.Lock()
        """Guards the five fields above."""
        self._busy = threading.Event()
        """Set when an item is being handled, which may block."""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to receive."""
        threading.Thread(target=self._watch, name=f"{self._name}: watch", daemon=True).start()
        with self._lock:
            self._start_thread(self._shift)

    def add(self, item: T) -> None:
        """Queue an item. For `receive`."""
        self._waiting.append(item)

    @property
    def waiting(self) -> int:
        """Number of queued items."""
        return len(self._waiting)

    @property
    def may_block(self) -> bool:
        """True if one more item may block without keeping later ones waiting."""
        return self._relieved + 1 < self._limit

    def receive_meanwhile(self, receive: Callable[[], object]) -> bool:
        """Receive while an item is handled. For `handle`.

        Args:
            receive: Passes items that have come to `add`, without waiting.

        Returns:
            False if the thread was relieved: then another one receives, and would not notice items that are added.
        """
        with self._lock:
            if threading.current_thread() is not self._receiver:
                return False
            begun, self._begun = self._begun, None  # not to be relieved meanwhile
        try:
            receive()
        finally:
            with self._lock:
                self._begun = begun
            self._busy.set()
        return True

    def load(self) -> Load:
        """Return the numbers of items that are being handled and that wait."""
        with self._lock:
            return Load(self._name, self._relieved + (self._begun is not None), len(self._waiting))

    def stop(self) -> None:
        """Stop relieving threads. The one that receives ends once `receive` returns False."""
        with self._lock:
            self._stopped.set()
        self._busy.set()

    def _start_thread(self, shift: int) -> None:
        """Start the thread that receives, which begins by taking the lock."""
        # Daemons: a blocked thread must not keep the process from ending.
        thread = threading.Thread(target=self._work, args=(shift,), name=f"{self._name} {shift}", daemon=True)
        thread.start()
        self._receiver = thread

    def _work(self, shift: int) -> None:
        """Receive and handle items until relieved."""
        while True:
            while (item := self._next(shift)) is not None:
                try:
                    self._handle(item)
                except Exception as error:  # noqa: BLE001 - this thread has other items to handle
                    _log.error("%s failed", self._name, exc_info=error)
            self._flush()
            if self._shift != shift or not self._receive():
                return

    def _next(self, shift: int) -> T | None:
        """Take the next item; None if the thread is to receive, or to end."""
        with self._lock:
            full = self._relieved == self._limit
            if self._shift == shift:
                self._begun = None
                if not self._waiting or full:
                    return None
                self._begun = time.monotonic()
                if not self._busy.is_set():
                    self._busy.set()
            elif not self._waiting or not full:
                self._relieved -= 1
                return None
            return self._waiting.popleft()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self._busy.wait()
            self._busy.clear()  # before looking: an item that comes later sets it again
            self._stopped.wait(BLOCKED)
            self._relieve()

    def _relieve(self) -> None:
        """Start another thread if the one that receives is blocked."""
        with self._lock:
            if self._begun is None or self._stopped.is_set():
                return
            if time.monotonic() - self._begun < BLOCKED:
                self._busy.set()
                return
            try:
                self._start_thread(self._shift + 1)
            except RuntimeError:  # no thread can be started now: try again
                self._busy.set()
                return
            self._begun = None
            self._relieved += 1
            self._shift += 1
