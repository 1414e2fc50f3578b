"""`Pool`: threads that answer calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from lamina.plugins.servers.grpc._load import Load

T = TypeVar("T")


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
