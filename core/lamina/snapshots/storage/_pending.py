"""Operations that wait for a commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import attrs
import lmdb

from lamina.context import use
from lamina.errdefs import Error, Internal
from lamina.snapshots.storage._errors import MapFull, translated
from lamina.steps import Request

Transaction: TypeAlias = "lmdb.Transaction[bytes]"
Body: TypeAlias = Callable[[Transaction], Any]
"""An operation. It may be run more than once, in any thread; only its last run counts. It does nothing slow."""


class Refused(Exception):
    """An operation failed in the transaction that it shares with others, which is undone and repeated."""


class Pending:
    """An operation that waits for the commit it will be part of."""

    def __init__(self, request: Request[Body]) -> None:
        self._body = request.what
        self._context = request.context
        self._request = request
        self.done = False
        self.wake = threading.Lock()
        self.wake.acquire()

    def cancel(self) -> None:
        """Do not run the operation any more, if it is not too late."""
        self._context = attrs.evolve(self._context, cancelled=True)

    def run(self, transaction: Transaction) -> None:
        """Run the body. May be called again after an abort.

        Raises:
            Refused: It raised something: what it has changed must be undone.
        """
        request = self._request
        request.result = request.error = None
        with use(self._context):  # it may be another call that commits
            try:
                self._context.check()
            except Error as error:
                request.error = error
                return
            try:
                request.result = self._body(transaction)
            except lmdb.MapFullError:
                raise
            except Exception as error:
                raise Refused from error

    def run_apart(self, environment: lmdb.Environment, transaction: Transaction, path: str) -> None:
        """As `run`, in a child transaction, so that it fails alone."""
        request = self._request
        request.result = request.error = None
        child = environment.begin(parent=transaction, write=True)
        try:
            with use(self._context), translated(path):
                self._context.check()
                request.result = self._body(child)
                child.commit()
        except MapFull:
            child.abort()
            raise
        except Exception as error:  # noqa: BLE001 - re-raised in the thread whose operation it is
            child.abort()
            request.error = error

    def fail(self, error: Exception) -> None:
        """Say that the operation failed with the whole commit."""
        self._request.result, self._request.error = None, error


def fail(batch: Sequence[Pending], error: Exception) -> None:
    """Give each operation an error of its own."""
    for pending in batch:
        pending.fail(copy_of(error))


def copy_of(error: Exception) -> Error:
    """A copy to raise: an error that is raised in many threads, or again and again, collects their tracebacks."""
    if not isinstance(error, Error):
        copy: Error = Internal(f"{type(error).__name__}: {error}")
        copy.__cause__ = error
        return copy
    copy = type(error)(str(error))
    copy.__cause__ = error.__cause__
    return copy
