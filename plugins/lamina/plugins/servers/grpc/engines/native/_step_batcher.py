"""`StepBatcher`: one thread that runs the steps of many calls, and performs their requests in batches."""

from __future__ import annotations

import contextlib
import functools
import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from lamina.context import CallContext, use
from lamina.errdefs import Error
from lamina.plugins.servers.grpc._load import Load
from lamina.plugins.servers.grpc.engines.native._relieved_worker import RelievedWorker
from lamina.steps import BLOCKING, Request, Shared, Steps, run

_log = logging.getLogger(__name__)

MAX_BATCH: Final = 64
"""Maximum number of requests in a batch while further calls wait to begin."""

Submit: TypeAlias = Callable[[Callable[[], None]], object]
"""Runs a function in another thread; raises an error if there is no room for it."""


class _Call(NamedTuple):
    steps: Steps[None]
    context: CallContext
    submit: Submit


class _Pending(NamedTuple):
    """A call and the request that it waits for."""

    call: _Call
    request: Request[Any]


class StepBatcher:
    """Runs the steps of calls one after the other, and performs their requests in batches.

    Calls that wait to begin come first: their requests then join the batch of the others.
    """

    def __init__(self, name: str, limit: int, max_blocked: int) -> None:
        """Create a batcher. It runs nothing before `start`.

        Args:
            name: Prefix of the names of its threads.
            limit: The number of calls that it accepts, not counting those submitted to other threads.
            max_blocked: The number of steps that may be blocked at the same time.
        """
        self._name = name
        self._limit = limit
        self._arrived: queue.SimpleQueue[_Call | _Pending | None] = queue.SimpleQueue()
        self._pending: list[_Pending] = []
        """Used by the thread that receives alone."""
        self._worker: RelievedWorker[Callable[[], None]] = RelievedWorker(
            name, self._receive, lambda do: do(), max_blocked
        )
        self._calls = 0
        self._lock = threading.Lock()
        """Guards `_calls`."""

    def start(self) -> None:
        """Begin to run steps."""
        self._worker.start()

    def offer(self, steps: Steps[None], context: CallContext, submit: Submit) -> bool:
        """Run the steps of a call, unless too many calls wait.

        Args:
            steps: The steps. They raise nothing.
            context: The context of the call.
            submit: Runs the steps that are left once they may block.

        Returns:
            True if the call was accepted.
        """
        with self._lock:
            if self._calls >= self._limit:
                return False
            self._calls += 1
        self._arrived.put(_Call(steps, context, submit))
        return True

    def claim(self) -> bool:
        """Claim the batcher for a call that `run_here` runs; return False if it has other calls."""
        with self._lock:
            if self._calls:
                return False
            self._calls = 1
        return True

    def run_here(
        self, steps: Steps[None], context: CallContext, submit: Submit, after_wait: Callable[[], object]
    ) -> None:
        """Run the steps of the call that has claimed the batcher in this thread, and wait for their requests.

        Args:
            steps: As `offer`.
            context: As `offer`.
            submit: As `offer`.
            after_wait: Called after each wait, before the next step.
        """
        call = _Call(steps, context, submit)
        while (request := self._next_request(call)) is not None:
            request.shared.perform([request])
            after_wait()

    def load(self) -> Load:
        """Return the numbers of calls that run and that wait to begin."""
        waiting = self._arrived.qsize()
        return Load(self._name, max(0, self._calls - waiting), waiting)

    def stop(self) -> None:
        """Stop. Calls should have ended before."""
        self._worker.stop()
        self._arrived.put(None)

    def _receive(self) -> bool:
        if self._pending and (self._arrived.empty() or len(self._pending) >= MAX_BATCH):
            pending, self._pending = self._pending, []
            self._worker.add(functools.partial(self._perform, pending))
            return True
        arrived = self._arrived.get()
        if isinstance(arrived, _Pending):
            self._pending.append(arrived)
        elif arrived is not None:
            self._worker.add(functools.partial(self._step, arrived))
        return arrived is not None

    def _step(self, call: _Call) -> None:
        """Run the next step of a call."""
        request = self._next_request(call)
        if request is not None:
            self._arrived.put(_Pending(call, request))

    def _next_request(self, call: _Call) -> Request[Any] | None:
        """Run the next step of a call, and return its request; None if nothing is left to do here."""
        try:
            with use(call.context):
                request = next(call.steps)
                if request is BLOCKING:
                    self._submit(call)
                return request
        except StopIteration:
            self._end()
        except BaseException as error:  # noqa: BLE001 - this thread has other calls to run
            _log.error("%s failed", self._name, exc_info=error)
            self._end()
        return None

    def _submit(self, call: _Call) -> None:
        """Run the rest of a call in another thread, or fail the call if there is no room."""
        try:
            call.submit(functools.partial(_run_rest, call))
        except Error as error:
            call.steps.throw(error)
        else:
            self._end()

    def _perform(self, batch: list[_Pending]) -> None:
        """Perform the requests of a batch, and run the next step of each of its calls."""
        by_shared: defaultdict[Shared[Any], list[_Pending]] = defaultdict(list)
        for one in batch:
            by_shared[one.request.shared].append(one)
        for shared, pending in by_shared.items():
            shared.perform([one.request for one in pending])
            for one in pending:
                self._step(one.call)

    def _end(self) -> None:
        with self._lock:
            self._calls -= 1


def _run_rest(call: _Call) -> None:
    """Run the steps that are left of a call."""
    with use(call.context):
        try:
            call.context.check()
        except Error as error:  # the client no longer waits
            with contextlib.suppress(StopIteration):
                call.steps.throw(error)
        else:
            run(call.steps)
