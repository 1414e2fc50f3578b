"""`FairQueues`: workers for calls that may block, with a queue for each backend and method."""

from __future__ import annotations

import collections
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final

import attrs

from lamina.context import CallContext
from lamina.errdefs import Unavailable
from lamina.plugins.servers.grpc._load import Load
from lamina.plugins.servers.grpc._shares import Key, Shares, refusal

_log = logging.getLogger(__name__)

MAX_QUEUED: Final = 256
"""How many calls may wait in each queue."""


@attrs.frozen(eq=False)
class _Task:
    key: Key
    do: Callable[[], object]
    context: CallContext

    @property
    def in_vain(self) -> bool:
        """Whether nobody waits for it any more: then it ends at once when it is done."""
        return self.context.cancelled or self.context.remaining() == 0


class FairQueues:
    """Does what may block. FairQueues take turns, and no backend or method can hold all workers (`Shares`)."""

    def __init__(self, name: str, workers: int) -> None:
        """Threads start when they are first needed.

        Args:
            name: What they are named after.
            workers: How many there may be.
        """
        self._name = name
        self._shares = Shares(workers)
        self._waiting: collections.OrderedDict[Key, collections.deque[_Task]] = collections.OrderedDict()
        """None of them is empty; the first one has its turn."""
        self._idle = 0
        """Threads that wait for something to be handed to them."""
        self._stopped = False
        self._lock = threading.Lock()
        """Guards all of these."""
        self._handed: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()

    def add(self, key: Key, do: Callable[[], object], context: CallContext) -> None:
        """Have something done when its turn comes.

        Args:
            key: Whose worker it takes.
            do: What to do. It ends at once where its context is not wanted any more.
            context: The call for which it is.

        Raises:
            ResourceExhausted: Too many wait for the same.
            Unavailable: There is no thread to be had, or none any more.
        """
        task = _Task(key, do, context)
        if not self._put(task):
            for dead in self._take_dead(key):
                self._do(dead)
            if not self._put(task):
                raise refusal(key)

    def go_on(self, key: Key, do: Callable[[], object], context: CallContext) -> None:
        """As `add`, for what was begun: it is never refused, and done here if it has to be."""
        task = _Task(key, do, context)
        try:
            self._put(task, limited=False)
        except Unavailable:
            self._do(task)

    def loads(self) -> Iterator[Load]:
        """How many calls run, and how many wait, by backend."""
        with self._lock:
            held = self._shares.held()
            waiting: collections.Counter[str] = collections.Counter()
            for (backend, _), tasks in self._waiting.items():
                waiting[backend] += len(tasks)
        for backend in sorted({"", *held, *waiting}):
            yield Load(self._name, held.get(backend, 0), waiting[backend], backend)

    def stop(self) -> None:
        """Begin nothing any more."""
        with self._lock:
            self._stopped = True
            self._waiting.clear()
            for _ in range(self._idle):
                self._handed.put(None)

    def _put(self, task: _Task, *, limited: bool = True) -> bool:
        """Let a task wait, or begin; False: too many wait already."""
        with self._lock:
            if self._stopped:
                raise Unavailable("the host is about to stop")
            tasks = self._waiting.setdefault(task.key, collections.deque())
            if limited and len(tasks) >= MAX_QUEUED:
                return False
            tasks.append(task)
            self._begin()
            if self._shares.free:  # so that nothing ends after which it could begin
                self._drop(task)
                raise Unavailable("there is no thread to be had: try again later")
            return True

    def _begin(self) -> None:
        """Hand to workers whatever may begin. Needs the lock."""
        while (task := self._next()) is not None:
            if self._idle:
                self._idle -= 1
                self._handed.put(task)
                continue
            try:
                # Daemons: what is stuck must not keep a host from ending.
                threading.Thread(target=self._work, args=(task,), name=self._name, daemon=True).start()
            except RuntimeError:  # perhaps when the next one ends
                self._shares.give(task.key)
                self._waiting.setdefault(task.key, collections.deque()).appendleft(task)
                return

    def _next(self) -> _Task | None:
        """The task that may begin, with its worker taken. Needs the lock."""
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

    def _take_dead(self, key: Key) -> list[_Task]:
        """What waits in vain, out of its queue: calls that were given up make room for others."""
        with self._lock:
            tasks = self._waiting.pop(key, ())
            dead = [task for task in tasks if task.in_vain]
            alive = collections.deque(task for task in tasks if not task.in_vain)
            if alive:
                self._waiting[key] = alive
            return dead

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
        except BaseException as error:  # noqa: BLE001 - the thread has other things to do, too
            _log.error("%s failed", self._name, exc_info=error)
