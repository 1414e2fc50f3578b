"""`Pool`: threads that answer calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from lamina.plugins.servers.grpc._load import Load

T = TypeVar("T")


class Pool(ThreadPoolExecutor):
    """A thread pool that limits and counts its calls. Threads start when they are first needed."""

    def __init__(self, name: str, workers: int, waiting: int) -> None:
        """Create a pool.

        Args:
            name: Prefix of the names of its threads.
            workers: Calls that are answered at a time.
            waiting: Calls that may wait beyond these.
        """
        super().__init__(workers, thread_name_prefix=name)
        self._name = name
        self.limit = workers + waiting
        self._calls: set[Future[Any]] = set()
        self._offers = threading.Lock()

    @property
    def full(self) -> bool:
        """True if the pool has as many calls as it may have. `submit` refuses none even then."""
        return len(self._calls) >= self.limit

    def offer(self, function: Callable[..., object], /, *args: Any) -> bool:
        """Submit a call unless the pool is full. Returns whether it was submitted."""
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
        """Return the calls that run or wait."""
        return self._calls.copy()

    def load(self) -> Load:
        """Return the numbers of calls that run and that wait."""
        calls = self.calls()
        running = sum(call.running() for call in calls)
        return Load(self._name, running, len(calls) - running)
