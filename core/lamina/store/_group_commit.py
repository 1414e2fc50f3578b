"""Group commit: writers that wait at the same time share one durable transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from lamina.context import CallContext, uninterrupted, use
from lamina.steps import Request
from lamina.store._pending import Body, Pending

GROUP: Final = 1000
"""Maximum number of operations in one commit: LMDB limits the dirty pages of a transaction."""
_NONE: Final[Iterator[Pending]] = iter(())


class GroupCommit:
    """Collects operations from many threads into groups.

    A thread that finds no commit under way leads: it commits the operations of all who wait, then passes the lead
    to the first thread that has come meanwhile.
    """

    def __init__(self, commit: Callable[[list[Pending]], None]) -> None:
        """Commit groups one at a time.

        Args:
            commit: Commits a group and stores each operation's result or error. What it raises is the error of the
                operations without one.
        """
        self._commit = commit
        self._mutex = threading.Lock()
        self._waiting: list[Pending] = []
        self._committing = False

    def perform(self, requests: Sequence[Request[Body]]) -> None:
        """Return when the commits of which the operations are part have ended.

        Args:
            requests: The operations. Ctrl-C cancels those that have not run yet.
        """
        operations = [Pending(request) for request in requests]

        def cancel() -> None:
            for pending in operations:
                pending.cancel()

        with uninterrupted(cancel):
            self._take_part(operations)

    def _take_part(self, operations: list[Pending]) -> None:
        ending = iter(operations)  # before this thread may lead: nothing may fail until the lead is passed on
        with self._mutex:
            self._waiting += operations
            leads = not self._committing
            self._committing = True
        if leads:
            self._lead()
        for pending in ending:
            pending.wake.acquire()
            while not pending.done:
                self._lead()
                pending.wake.acquire()

    def _lead(self) -> None:
        """Commit a group, then pass the lead on.

        If memory runs out, operations may fail, but every thread that waits is woken: nothing that leads to that
        needs memory. If not even a group can be taken, the first thread that waits tries again.
        """
        failing = waking = _NONE
        try:
            with self._mutex:
                group, rest = self._waiting[:GROUP], self._waiting[GROUP:]
                failing, waking = iter(group), iter(group)
                self._waiting = rest
            with use(CallContext()):  # the commit as a whole belongs to no single call
                self._commit(group)
        except BaseException as error:
            for pending in failing:
                pending.interrupt(error)
            if not isinstance(error, Exception):  # others are raised in the threads that asked for the operations
                raise
        finally:
            self._mutex.acquire()  # unlike this, a with statement needs memory
            successor = self._waiting[0] if self._waiting else None
            self._committing = successor is not None
            self._mutex.release()
            if successor is not None:
                successor.wake.release()
            for pending in waking:
                pending.done = True
                pending.wake.release()
