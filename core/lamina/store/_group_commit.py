"""Group commit: writers that wait at the same time share one durable transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from lamina.context import CallContext, uninterrupted, use
from lamina.steps import Request
from lamina.store._pending import Body, Pending

GROUP: Final = 1000
"""Maximum number of operations in one commit: LMDB limits the dirty pages of a transaction."""


class GroupCommit:
    """Collects operations from many threads into groups.

    A thread that finds no commit under way leads: it commits the operations of all who wait, then passes the lead
    to the first thread that has come meanwhile.
    """

    def __init__(self, commit: Callable[[list[Pending]], None]) -> None:
        """Commit groups one at a time.

        Args:
            commit: Commits a group and stores each operation's result or error; raises only if interrupted.
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
        with self._mutex:
            self._waiting += operations
            leads = not self._committing
            self._committing = True
        if leads:
            self._lead()
        for pending in operations:
            pending.wake.acquire()
            if not pending.done:
                self._lead()

    def _lead(self) -> None:
        """Commit a group, then pass the lead on."""
        with self._mutex:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
        try:
            with use(CallContext()):  # the commit as a whole belongs to no single call
                self._commit(group)
        finally:
            with self._mutex:
                successor = self._waiting[0] if self._waiting else None
                self._committing = successor is not None
            if successor is not None:
                successor.wake.release()
            for pending in group:
                pending.done = True
                pending.wake.release()
