"""Operations that wait for a commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import lmdb

from lamina.context import use
from lamina.errdefs import Aborted, Error, Internal
from lamina.steps import Request
from lamina.store._errors import MapFull, translated

Transaction: TypeAlias = "lmdb.Transaction[bytes]"
Body: TypeAlias = Callable[[Transaction], Any]
"""An operation. It may run more than once, in any thread; only its last run counts. It must not be slow."""


class Refused(Exception):
    """An operation failed in a shared transaction, which is aborted and repeated."""


class Pending:
    """An operation that waits for a commit."""

    def __init__(self, request: Request[Body]) -> None:
        self._context = request.context
        self._request = request
        self.done = False
        self.wake = threading.Lock()
        self.wake.acquire()

    def cancel(self) -> None:
        """Cancel the operation unless it has run."""
        context = self._context.detached()
        context.cancel()
        self._context = context

    def run(self, transaction: Transaction) -> None:
        """Run the body. May be called again after an abort.

        Raises:
            Refused: The body raised an exception: its changes must be undone.
        """
        request = self._request
        request.result = request.error = None
        with use(self._context):  # the thread may belong to another call
            try:
                self._context.check()
            except Error as error:
                request.error = error
                return
            try:
                request.result = request.what(transaction)
            except lmdb.MapFullError:
                raise
            except Exception as error:
                raise Refused from error

    def run_apart(self, environment: lmdb.Environment, transaction: Transaction, path: str) -> None:
        """Run the body in a child transaction, and store its result or error."""
        request = self._request
        request.result = request.error = None
        child = environment.begin(parent=transaction, write=True)
        try:
            with use(self._context), translated(path):
                self._context.check()
                request.result = request.what(child)
                child.commit()
        except MapFull:
            child.abort()
            raise
        except Exception as error:  # noqa: BLE001 - re-raised in the thread that asked for the operation
            child.abort()
            request.error = error

    def fail(self, error: Exception) -> None:
        """Fail the operation because the whole commit failed."""
        self._request.result, self._request.error = None, error

    def interrupt(self, error: BaseException) -> None:
        """Fail the operation, unless it has failed, because the commit was interrupted. Needs no memory."""
        if self._request.error is None:
            self._request.result = None
            self._request.error = error if isinstance(error, Exception) else Aborted("the commit was interrupted")


def fail(group: Sequence[Pending], error: Exception) -> None:
    """Fail each operation with its own copy of an error."""
    for pending in group:
        pending.fail(copy_of(error))


def copy_of(error: Exception) -> Error:
    """Return a copy to raise: one exception raised in many threads would collect all their tracebacks."""
    if not isinstance(error, Error):
        copy: Error = Internal(f"{type(error).__name__}: {error}")
        copy.__cause__ = error
        return copy
    copy = type(error)(str(error))
    copy.__cause__ = error.__cause__
    return copy
