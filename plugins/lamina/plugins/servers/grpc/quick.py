"""Calls that are soon answered."""

from __future__ import annotations

import collections
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from lamina.plugins.servers.grpc.pool import Load

_log = logging.getLogger(__name__)

STUCK: Final = 0.005
"""Seconds after which a call is taken to wait for something, not to compute: `sys.getswitchinterval()`."""

T = TypeVar("T")


class QuickCalls(Generic[T]):
    """Answers calls one at a time, in whichever thread brings them, as long as each is soon answered.

    Threads that compute side by side only take the interpreter's lock from one another, which costs two thirds
    of the calls per second. But a call may also wait, for a disk or for another host: then the next one is begun
    beside it.
    """

    def __init__(self, answer: Callable[[T], object], limit: int) -> None:
        """Nothing is looked after before `start`.

        Args:
            answer: Answers a call. What it raises is logged.
            limit: How many calls may be answered side by side.
        """
        self._answer = answer
        self._limit = limit
        self._waiting: collections.deque[T] = collections.deque()
        self._begun: dict[int, float] = {}
        """When each call that is being answered was begun, by thread."""
        self._lock = threading.Lock()
        """Guards the two, and `_stopped`."""
        self._crowded = threading.Event()
        """Calls wait: somebody must look whether the ones before them are stuck."""
        self._stopped = threading.Event()
        self._looking = threading.Thread(target=self._look, name="stuck calls", daemon=True)
        self._beside = ThreadPoolExecutor(limit, thread_name_prefix="quick call")

    def start(self) -> None:
        """Begin to look after stuck calls."""
        self._looking.start()

    def add(self, call: T) -> None:
        """Answer a call here and now, and those that come meanwhile, if no other is being answered."""
        self._waiting.append(call)
        if not self._begun:
            self._work(beside=False)
        elif self._stuck():
            self._help()
        elif not self._crowded.is_set():
            self._crowded.set()

    def load(self) -> Load:
        """How many calls run, and how many wait."""
        return Load("quick call", len(self._begun), len(self._waiting))

    def stop(self) -> None:
        """Begin no more calls beside stuck ones."""
        with self._lock:
            self._stopped.set()
        self._crowded.set()
        self._beside.shutdown(wait=False, cancel_futures=True)

    def _work(self, *, beside: bool) -> None:
        """Answer the calls whose turn it is.

        Args:
            beside: Whether to begin calls beside stuck ones, too. A thread that brings calls does not: else all of
                those might be stuck at a time, and nobody be left to bring any.
        """
        thread = threading.get_ident()
        while (call := self._next(beside=beside)) is not None:
            try:
                self._answer(call)
            except Exception as error:  # noqa: BLE001 - this thread brings other calls, too
                _log.error("answering a call failed", exc_info=error)
            finally:
                with self._lock:
                    del self._begun[thread]

    def _next(self, *, beside: bool) -> T | None:
        with self._lock:
            if not self._waiting:
                return None
            if self._begun and not (beside and self._stuck()):
                self._crowded.set()  # whoever brought it counts on this thread
                return None
            self._begun[threading.get_ident()] = time.monotonic()
            return self._waiting.popleft()

    def _stuck(self) -> bool:
        """Whether no call that is being answered seems to get anywhere, and one more may be begun."""
        begun = list(self._begun.values())
        return len(begun) < self._limit and time.monotonic() - max(begun, default=0.0) > STUCK

    def _look(self) -> None:
        while not self._stopped.is_set():
            self._crowded.wait()
            self._stopped.wait(STUCK)
            self._crowded.clear()  # before looking: what comes later sets it again
            if self._waiting:
                self._crowded.set()
                if self._stuck():
                    self._help()

    def _help(self) -> None:
        """Have another thread begin a call."""
        with self._lock:
            if not self._stopped.is_set():
                self._beside.submit(self._work, beside=True)
