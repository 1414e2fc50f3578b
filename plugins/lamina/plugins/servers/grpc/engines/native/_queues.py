"""`FairQueues`: workers for calls that may block, and a queue for each backend and method."""

from __future__ import annotations

import collections
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from lamina.context import CallContext
from lamina.errdefs import Unavailable
from lamina.plugins.servers.grpc._load import Load
from lamina.plugins.servers.grpc._shares import Key, Shares, refusal

_log = logging.getLogger(__name__)

MAX_QUEUED: Final = 256
"""Calls that may wait in each queue."""


class _Task(NamedTuple):
    key: Key
    do: Callable[[], object]
    context: CallContext

    @property
    def abandoned(self) -> bool:
        """True if its client no longer waits for it: it then ends at once when it is run."""
        return self.context.cancelled or self.context.remaining() == 0


class FairQueues:
    """Runs functions that may block. Queues take turns; no backend or method can hold all workers (`Shares`)."""

    def __init__(self, name: str, workers: int) -> None:
        """Create queues. Threads start when they are first needed.

        Args:
            name: Name of the threads.
            workers: Number of threads.
        """
        self._name = name
        self._shares = Shares(workers)
        self._waiting: collections.OrderedDict[Key, collections.deque[_Task]] = collections.OrderedDict()
        """Queues that are not empty, the next one first."""
        self._idle = 0
        """Threads that wait for a task."""
        self._stopped = False
        self._lock = threading.Lock()
        """Guards the fields above."""
        self._handed: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()

    def add(self, key: Key, do: Callable[[], object], context: CallContext) -> None:
        """Queue a function.

        Args:
            key: Key of the share that its worker is taken from.
            do: The function. It returns at once if its call is cancelled or late.
            context: Context of the call.

        Raises:
            ResourceExhausted: The queue is full.
            Unavailable: No thread can be started, or the queues are stopped.
        """
        task = _Task(key, do, context)
        if not self._put(task):
            for other in self._take_abandoned(key):
                self._do(other)
            if not self._put(task):
                raise refusal(key)

    def resume(self, key: Key, do: Callable[[], object], context: CallContext) -> None:
        """Queue the rest of a call that has begun. It is never refused, and runs here if there is no thread."""
        task = _Task(key, do, context)
        try:
            self._put(task, limited=False)
        except Unavailable:
            self._do(task)

    def loads(self) -> Iterator[Load]:
        """Yield the numbers of calls that run and that wait, by backend."""
        with self._lock:
            held = self._shares.held()
            waiting: collections.Counter[str] = collections.Counter()
            for (backend, _), tasks in self._waiting.items():
                waiting[backend] += len(tasks)
        for backend in sorted({"", *held, *waiting}):
            yield Load(self._name, held.get(backend, 0), waiting[backend], backend)

    def stop(self) -> None:
        """Start no more functions."""
        with self._lock:
            self._stopped = True
            self._waiting.clear()
            for _ in range(self._idle):
                self._handed.put(None)

    def _put(self, task: _Task, *, limited: bool = True) -> bool:
        """Queue a task, and start it if it can. Returns False if the queue is full."""
        with self._lock:
            if self._stopped:
                raise Unavailable("the host is about to stop")
            tasks = self._waiting.setdefault(task.key, collections.deque())
            if limited and len(tasks) >= MAX_QUEUED:
                return False
            tasks.append(task)
            self._begin()
            if self._shares.free:  # no task will end and start this one
                self._drop(task)
                raise Unavailable("no thread can be started: try again later")
            return True

    def _begin(self) -> None:
        """Start all tasks that may start. Requires the lock."""
        while (task := self._next()) is not None:
            if self._idle:
                self._idle -= 1
                self._handed.put(task)
                continue
            try:
                # Daemons: a blocked thread must not keep the process from ending.
                threading.Thread(target=self._work, args=(task,), name=self._name, daemon=True).start()
            except RuntimeError:  # the next task that ends starts it
                self._shares.give(task.key)
                self._waiting.setdefault(task.key, collections.deque()).appendleft(task)
                return

    def _next(self) -> _Task | None:
        """Take a worker for the next task that may start, and return the task. Requires the lock."""
        for key, tasks in self._waiting.items():
            if self._shares.may_take(key):
                task = tasks.popleft()
                self._shares.take(key)
                if tasks:
                    self._waiting.move_to_end(key)
                else:
                    del self._waiting[key]
                return task
        return None

    def _drop(self, task: _Task) -> None:
        self._waiting[task.key].remove(task)
        if not self._waiting[task.key]:
            del self._waiting[task.key]

    def _take_abandoned(self, key: Key) -> list[_Task]:
        """Remove the abandoned tasks of a queue, to make room for others."""
        with self._lock:
            tasks = self._waiting.pop(key, ())
            abandoned = [task for task in tasks if task.abandoned]
            wanted = collections.deque(task for task in tasks if not task.abandoned)
            if wanted:
                self._waiting[key] = wanted
            return abandoned

    def _work(self, task: _Task | None) -> None:
        while task is not None:
            self._do(task)
            with self._lock:
                self._shares.give(task.key)
                task = None if self._stopped else self._next()
                if task is None and not self._stopped:
                    self._idle += 1
                self._begin()
                if self._stopped:
                    return
            if task is None:
                task = self._handed.get()

    def _do(self, task: _Task) -> None:
        try:
            task.do()
        except BaseException as error:  # noqa: BLE001 - this thread has other tasks
            _log.error("%s failed", self._name, exc_info=error)
