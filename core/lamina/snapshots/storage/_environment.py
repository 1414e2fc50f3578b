"""One LMDB environment: reads, writes that share a commit, growth, and what is done when the disk fails."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import lmdb

from lamina.context import CallContext, use
from lamina.errdefs import Aborted, Error, ResourceExhausted, Unavailable
from lamina.metrics import Histogram, Metric
from lamina.snapshots.storage._environment_metrics import OPERATIONS, SECONDS, commit_metrics, size_metrics
from lamina.snapshots.storage._errors import MapFull, translated, translation
from lamina.snapshots.storage._gate import Gate
from lamina.snapshots.storage._interrupt import uninterrupted
from lamina.snapshots.storage._opened import Opened
from lamina.snapshots.storage._pending import Body, Pending, Refused, Transaction, copy_of, fail
from lamina.steps import Request, Shared, ask, run

__all__ = ["MAP_SIZE", "Body", "Environment", "Transaction"]

Result = TypeVar("Result")

MAP_SIZE: Final = 1 << 30
"""Bytes of address space reserved at open. The file grows only as it is written."""
BATCH: Final = 1000
"""The most operations in one commit: LMDB limits the pages that one transaction may dirty."""


class Environment(Shared[Body]):
    """An LMDB environment in a directory of its own.

    Writers that wait together share one durable commit: whoever finds no commit under way runs the operations
    of all who wait in one transaction, and commits once; then the next in line does so. If one of them fails,
    the transaction is undone and repeated with each in a child transaction: so it fails alone. Few do, since
    nearly all that is wrong with an operation is seen before it comes here.
    """

    def __init__(self, path: str, state: str = "", map_size: int = MAP_SIZE) -> None:
        """Open the environment, made where it does not exist. The caller keeps other processes out.

        Args:
            path: Its directory, which must exist.
            state: A directory for what need not survive a reboot; empty: none.
            map_size: Bytes of address space to begin with.

        Raises:
            DataLoss: The file is damaged or is none of LMDB's.
            ResourceExhausted: It is new, and the disk is full.
        """
        self._path = path
        self._gate = Gate(path)
        self._opened = Opened(path, state, map_size)
        self._mutex = threading.Lock()
        self._waiting: list[Pending] = []
        self._committing = False
        # Only who leads observes.
        self._operations = Histogram(OPERATIONS)
        self._seconds = Histogram(SECONDS)

    def read(self, body: Callable[[Transaction], Result]) -> Result:
        """Run `body` in a read transaction. It must not call anything that may block.

        Raises:
            Unavailable: The environment is closed; or it refuses everything, and cannot be opened anew now.
        """
        self._gate.enter()  # not in a `with`: a read takes a microsecond, and a generator's frames two more
        try:
            with self._opened.lmdb.begin() as transaction:
                return body(transaction)
        except lmdb.Error as error:
            problem = error
        finally:
            self._gate.leave()
        return self._read_again(body, problem)

    def _read_again(self, body: Callable[[Transaction], Result], problem: lmdb.Error) -> Result:
        """Read once more, if LMDB failed since a commit did before."""
        if not self._mend():
            raise self._explained(problem) from problem
        with self._inside(), self._opened.lmdb.begin() as transaction:
            return body(transaction)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """A block in which the environment is used, and LMDB's errors are raised as lamina's."""
        with self._gate.inside():
            try:
                yield
            except lmdb.Error as error:
                raise self._explained(error) from error

    def _explained(self, error: lmdb.Error) -> Exception:
        outage = self._opened.outage
        return copy_of(outage) if isinstance(outage, Unavailable) else translation(error, self._path)

    @contextlib.contextmanager
    def hold(self) -> Iterator[int]:
        """A block during which no page of the last transaction is used again.

        It keeps the environment from growing and from closing: leave it soon after `is_wanted`.

        Yields:
            The transaction's number.

        Raises:
            Unavailable: The environment is closed.
        """
        with self._inside(), self._opened.lmdb.begin() as transaction:
            yield transaction.id()

    @property
    def is_wanted(self) -> bool:
        """Whether a commit, or `close`, waits for all transactions to end."""
        return self._gate.is_wanted

    def write(self, body: Callable[[Transaction], Result]) -> Result:
        """Run `body` in a write transaction and return its result once that is durable.

        Args:
            body: As `Body` says.

        Raises:
            ResourceExhausted: The disk is full. Nothing of the operation is stored.
            ReadOnly: The file system is read-only.
            Unavailable: A commit failed before, and the environment cannot be opened anew now.
            Canceled, DeadlineExceeded: The call at hand was no longer wanted when its turn came.
            Exception: What `body` raised. Other operations of the same commit are not affected.
        """
        result: Result = run(ask(self, body))
        return result

    def perform(self, requests: Sequence[Request[Body]]) -> None:
        """As `write`, for many operations, which share a commit with one another and with others that wait.

        Args:
            requests: Each with its operation.
        """
        try:
            self._gate.check()
        except Error as error:
            for request in requests:
                request.error = type(error)(str(error))
            return
        operations = [Pending(request) for request in requests]

        def cancel() -> None:
            for pending in operations:
                pending.cancel()

        with uninterrupted(cancel):
            self._take_part(operations)

    def _take_part(self, operations: list[Pending]) -> None:
        """Wait for commits that the operations are part of, or lead them."""
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
        """Commit for everybody who waits, then pass the lead to the next in line."""
        with self._mutex:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        try:
            with use(CallContext()):  # what concerns all is no single call's
                self._commit(batch)
        finally:
            with self._mutex:
                successor = self._waiting[0] if self._waiting else None
                self._committing = successor is not None
            if successor is not None:
                successor.wake.release()
            for pending in batch:
                pending.done = True
                pending.wake.release()

    def _commit(self, batch: list[Pending]) -> None:
        if self._opened.outage is not None and not self._mend():
            fail(batch, self._opened.outage)
            return
        apart = False
        while True:
            try:
                environment = self._opened.lmdb
                with self._gate.inside(), translated(self._path), environment.begin(write=True) as transaction:
                    for pending in batch:
                        if apart:
                            pending.run_apart(environment, transaction, self._path)
                        else:
                            pending.run(transaction)
                    began = time.perf_counter()
                self._operations.observe(len(batch))
                self._seconds.observe(time.perf_counter() - began)
            except Refused:
                apart = True
                continue
            except MapFull:
                if self._grow(batch):
                    continue
            except Exception as error:  # noqa: BLE001 - re-raised in each thread whose operation it was
                self._give_up(batch, error)
            except BaseException:
                fail(batch, Aborted(f"metastore {self._path}: the commit was interrupted"))
                raise
            return

    def _give_up(self, batch: list[Pending], error: Exception) -> None:
        self._recover(error)
        if isinstance(error, ResourceExhausted) and len(batch) > 1:
            # What one needs too much of, another may even give back.
            for pending in batch:
                self._commit([pending])
        else:
            fail(batch, error)

    def _grow(self, batch: list[Pending]) -> bool:
        """Double the map: mdb_env_set_mapsize wants no transaction to be open in the process."""
        try:
            with self._gate.alone():
                self._opened.grow()
        except Error as error:
            fail(batch, error)
            return False
        return True

    def _recover(self, error: Exception) -> None:
        """See what can be used after a commit that LMDB could not carry out."""
        if isinstance(error, Error) and isinstance(error.__cause__, lmdb.Error):
            self._opened.fail(error)
            self._mend()

    def _mend(self) -> bool:
        """Open the environment anew, if it is time for that and it cannot be used; returns whether it can now."""
        if not self._opened.is_due:
            return self._opened.outage is None
        try:
            with self._gate.alone():
                return self._opened.mend()
        except Error:  # it is closed
            return False

    def outage(self) -> str:
        """Why nothing can be stored, "" where something can. An environment that can be opened anew is.

        A disk that is full is no reason: things can be removed.
        """
        if self._opened.outage is None or self._mend():
            return ""
        return str(self._opened.outage)

    def copy(self, descriptor: int) -> None:
        """Write the file as it is at one moment to a file descriptor. Pages are copied, and not looked at.

        Args:
            descriptor: A regular file's: a pipe that nobody reads would keep the transaction open.

        Raises:
            ResourceExhausted: There is no space for it.
            Unavailable: It is closed.
        """
        with self._inside():
            self._opened.lmdb.copyfd(descriptor)

    def metrics(self) -> Iterator[Metric]:
        """How large the file is, what of it is used, and how long commits take.

        Raises:
            Unavailable: It is closed.
        """
        with self._inside():
            metrics = list(size_metrics(self._opened.lmdb, self._path))
        yield from metrics
        yield from commit_metrics(self._operations, self._seconds)

    def close(self) -> None:
        """Close the environment once the transactions at hand are done. Closing twice does nothing."""
        self._gate.close(lambda: self._opened.lmdb.close())  # noqa: PLW0108 - read late: `mend` may replace it
