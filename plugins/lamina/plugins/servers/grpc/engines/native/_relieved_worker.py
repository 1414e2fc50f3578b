"""Work that one thread does, and another when that one is stuck."""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from lamina.plugins.servers.grpc._load import Load

_log = logging.getLogger(__name__)

STUCK: Final = 0.005
"""Seconds after which a thread is taken to wait for something, not to compute: `sys.getswitchinterval()`."""

T = TypeVar("T")


class RelievedWorker(Generic[T]):
    """Receives things to do and does them in the same thread, one at a time, as long as each is soon done.

    Threads that compute side by side only take the interpreter's lock from one another, which costs two thirds
    of the calls per second, and to hand a call from one to another costs more than to answer it. But what is to
    do may also wait, for a disk or for another host: then another thread relieves the one that is stuck in it.
    """

    def __init__(self, name: str, receive: Callable[[], bool], do: Callable[[T], object], limit: int) -> None:
        """Nothing is received before `start`.

        Args:
            name: What its threads are named after.
            receive: Waits until something comes, and calls `add` for what of it is to be done. False: nothing
                comes any more.
            do: Does something. What it raises is logged.
            limit: How many things may be done side by side.
        """
        self._name = name
        self._receive = receive
        self._do = do
        self._limit = limit
        self._waiting: collections.deque[T] = collections.deque()
        self._shift = 0
        """Counts the threads that have been on duty; only the last of them receives."""
        self._begun: float | None = None
        """When the thread on duty began what it does."""
        self._relieved = 0
        """Threads that are still at that in which they were stuck."""
        self._lock = threading.Lock()
        """Guards the four."""
        self._busy = threading.Event()
        """Something is done: somebody must look whether that is stuck."""
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to receive."""
        threading.Thread(target=self._look, name=f"{self._name}: stuck", daemon=True).start()
        self._put_on_duty(self._shift)

    def add(self, thing: T) -> None:
        """Have something done; for `receive`."""
        self._waiting.append(thing)

    @property
    def waiting(self) -> int:
        """How many things wait to be done."""
        return len(self._waiting)

    def load(self) -> Load:
        """How many things are being done, and how many wait."""
        with self._lock:
            return Load(self._name, self._relieved + (self._begun is not None), len(self._waiting))

    def stop(self) -> None:
        """Relieve nobody any more. Whoever is on duty ends when nothing comes any more."""
        with self._lock:
            self._stopped.set()
        self._busy.set()

    def _put_on_duty(self, shift: int) -> None:
        # Daemons: what is stuck must not keep a host from ending.
        threading.Thread(target=self._work, args=(shift,), name=f"{self._name} {shift}", daemon=True).start()

    def _work(self, shift: int) -> None:
        """Be on duty, until relieved."""
        while True:
            while (thing := self._next(shift)) is not None:
                try:
                    self._do(thing)
                except Exception as error:  # noqa: BLE001 - this thread has other things to do, too
                    _log.error("%s failed", self._name, exc_info=error)
            if self._shift != shift or not self._receive():
                return

    def _next(self, shift: int) -> T | None:
        """What to do next; None: nothing is left to do but to receive, or to end."""
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

    def _look(self) -> None:
        while not self._stopped.is_set():
            self._busy.wait()
            self._busy.clear()  # before looking: what comes later sets it again
            self._stopped.wait(STUCK)
            self._relieve()

    def _relieve(self) -> None:
        """Put another thread on duty, if the one that is on duty is stuck."""
        with self._lock:
            if self._begun is None or self._stopped.is_set():
                return
            if time.monotonic() - self._begun < STUCK:
                self._busy.set()
                return
            try:
                self._put_on_duty(self._shift + 1)  # who waits for the lock
            except RuntimeError:  # there is no thread to be had: perhaps at the next look
                self._busy.set()
                return
            self._begun = None
            self._relieved += 1
            self._shift += 1
