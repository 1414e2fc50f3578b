"""The steps of many calls, taken by one thread."""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import attrs

from lamina.context import CallContext, use
from lamina.errdefs import Error
from lamina.plugins.servers.grpc._load import Load
from lamina.plugins.servers.grpc.engines.native._relieved_worker import RelievedWorker
from lamina.steps import BLOCKING, Request, Shared, Steps, run

_log = logging.getLogger(__name__)

TOGETHER: Final = 64
"""The most requests that are performed together while further calls wait to begin."""

Elsewhere: TypeAlias = Callable[[Callable[[], None]], object]
"""Has something done in another thread; raises an error where that is not to be had."""


@attrs.frozen(eq=False)
class _Call:
    steps: Steps[None]
    context: CallContext
    elsewhere: Elsewhere


@attrs.frozen(eq=False)
class _Asking:
    """A call that waits for what it has asked for."""

    call: _Call
    request: Request[Any]


class StepBatcher:
    """Takes the steps of calls one after the other, and has what they ask for performed for all at once.

    Calls that wait to begin come first, so that what they ask for is still performed with that of the others.
    """

    def __init__(self, name: str, limit: int, side_by_side: int) -> None:
        """Nothing is done before `start`.

        Args:
            name: What its threads are named after.
            limit: How many calls it takes on, without those that have gone on elsewhere.
            side_by_side: How many steps may be stuck at a time.
        """
        self._name = name
        self._limit = limit
        self._arrived: queue.SimpleQueue[_Call | _Asking | None] = queue.SimpleQueue()
        self._asking: list[_Asking] = []
        """Belongs to the thread that receives."""
        self._worker: RelievedWorker[Callable[[], None]] = RelievedWorker(
            name, self._receive, lambda do: do(), side_by_side
        )
        self._calls = 0
        self._lock = threading.Lock()
        """Guards `_calls`."""

    def start(self) -> None:
        """Begin."""
        self._worker.start()

    def offer(self, steps: Steps[None], context: CallContext, elsewhere: Elsewhere) -> bool:
        """Have the steps of a call taken, unless there are as many calls as there may be; whether it was taken.

        Args:
            steps: They raise nothing.
            context: That in which they are taken.
            elsewhere: Where they go on once they may block.
        """
        with self._lock:
            if self._calls >= self._limit:
                return False
            self._calls += 1
        self._arrived.put(_Call(steps, context, elsewhere))
        return True

    def load(self) -> Load:
        """How many calls run, and how many wait to begin."""
        waiting = self._arrived.qsize()
        return Load(self._name, max(0, self._calls - waiting), waiting)

    def stop(self) -> None:
        """Take no more steps. Calls should have ended before."""
        self._worker.stop()
        self._arrived.put(None)

    def _receive(self) -> bool:
        if self._asking and (self._arrived.empty() or len(self._asking) >= TOGETHER):
            asking, self._asking = self._asking, []
            self._worker.add(functools.partial(self._perform, asking))
            return True
        arrived = self._arrived.get()
        if isinstance(arrived, _Asking):
            self._asking.append(arrived)
        elif arrived is not None:
            self._worker.add(functools.partial(self._step, arrived))
        return arrived is not None

    def _step(self, call: _Call) -> None:
        """Take the next step of a call."""
        try:
            with use(call.context):
                request = next(call.steps)
                if request is BLOCKING:
                    self._hand_over(call)
                else:
                    self._arrived.put(_Asking(call, request))
        except StopIteration:
            self._end()
        except BaseException as error:  # noqa: BLE001 - the thread has other calls, too
            _log.error("%s failed", self._name, exc_info=error)
            self._end()

    def _hand_over(self, call: _Call) -> None:
        """Have a call go on elsewhere; if it cannot, it is told why."""
        try:
            call.elsewhere(functools.partial(_rest, call))
        except Error as error:
            call.steps.throw(error)
        else:
            self._end()

    def _perform(self, asking: list[_Asking]) -> None:
        """Have done what calls have asked for, and take their next steps."""
        by_shared: defaultdict[Shared[Any], list[_Asking]] = defaultdict(list)
        for one in asking:
            by_shared[one.request.shared].append(one)
        for shared, those in by_shared.items():
            shared.perform([one.request for one in those])
            for one in those:
                self._step(one.call)

    def _end(self) -> None:
        with self._lock:
            self._calls -= 1


def _rest(call: _Call) -> None:
    """Take all steps that are left of a call."""
    with use(call.context):
        try:
            call.context.check()
        except Error as error:  # nobody waits for it any more
            with contextlib.suppress(StopIteration):
                call.steps.throw(error)
        else:
            run(call.steps)
