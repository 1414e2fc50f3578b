"""The metastore's LMDB environment: reads, and durable writes that share commits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

import lmdb

from lamina.errdefs import Error, Unavailable
from lamina.metrics import Metric
from lamina.steps import Request, Shared, ask, run
from lamina.store._errors import translation
from lamina.store._gate import Gate
from lamina.store._group_commit import GroupCommit
from lamina.store._handle import Handle
from lamina.store._metrics import size_metrics
from lamina.store._pending import Body, Transaction, copy_of
from lamina.store._write_transaction import WriteTransactions

__all__ = ["MAP_SIZE", "Body", "Environment", "Transaction", "Version"]

Result = TypeVar("Result")
Version: TypeAlias = tuple[int, int]
"""Identifies what reads find: how many times the file was opened, and the number of the last transaction. LMDB may
give a number again after it has opened the file again."""

MAP_SIZE: Final = 1 << 30
"""Bytes of address space to reserve at first. The file grows only as it is written."""


class Environment(Shared[Body]):
    """An LMDB environment in a directory of its own. Every method may be called from any thread."""

    def __init__(self, path: str, state: str = "", map_size: int = MAP_SIZE) -> None:
        """Open the environment, or create it. The caller keeps other processes out.

        Args:
            path: Its directory, which must exist.
            state: A directory for files that need not survive a reboot; empty: none.
            map_size: Bytes of address space to reserve at first.

        Raises:
            DataLoss: The file is damaged or not LMDB's.
            ResourceExhausted: It is new, and the disk is full.
        """
        self._path = path
        self._gate = Gate(path)
        self._handle = Handle(path, state, map_size, self._gate)
        self._transactions = WriteTransactions(path, self._gate, self._handle)
        self._commits = GroupCommit(self._transactions.commit)

    def read(self, body: Callable[[Transaction], Result]) -> Result:
        """Run `body`, which must not block, in a read transaction.

        Raises:
            Unavailable: The environment is closed, or unusable after a failed commit.
        """
        self._gate.enter()  # not in a `with`: a read takes a microsecond, and a generator's frames two more
        try:
            with self._handle.lmdb.begin() as transaction:
                return body(transaction)
        except lmdb.Error as error:
            problem = error
        finally:
            self._gate.leave()
        return self._read_again(body, problem)

    def _read_again(self, body: Callable[[Transaction], Result], problem: lmdb.Error) -> Result:
        """Repeat a read that failed because a commit had failed before."""
        if not self._handle.repair():
            raise self._explained(problem) from problem
        with self._inside(), self._handle.lmdb.begin() as transaction:
            return body(transaction)

    def version(self) -> Version | None:
        """Return the version that a read would see now, without waiting; None if a read would wait or fail."""
        if not self._gate.try_enter():
            return None
        try:
            with self._handle.lmdb.begin() as transaction:
                return self.version_of(transaction)
        except lmdb.Error:  # a read says why, or repairs the environment
            return None
        finally:
            self._gate.leave()

    def version_of(self, transaction: Transaction) -> Version:
        """Return the version that a read transaction sees."""
        return self._handle.openings, transaction.id()

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """Hold the gate open, and raise LMDB's errors as lamina's."""
        with self._gate.inside():
            try:
                yield
            except lmdb.Error as error:
                raise self._explained(error) from error

    def _explained(self, error: lmdb.Error) -> Exception:
        outage = self._handle.outage
        return copy_of(outage) if isinstance(outage, Unavailable) else translation(error, self._path)

    @contextlib.contextmanager
    def hold(self) -> Iterator[int]:
        """Keep every page of the last transaction from being reused during the block.

        The block also keeps the environment from growing and closing: leave it soon after `is_wanted`.

        Yields:
            The transaction's number.

        Raises:
            Unavailable: The environment is closed.
        """
        with self._inside(), self._handle.lmdb.begin() as transaction:
            yield transaction.id()

    @property
    def is_wanted(self) -> bool:
        """True if a commit or `close` waits for all transactions to end."""
        return self._gate.is_wanted

    def write(self, body: Callable[[Transaction], Result]) -> Result:
        """Run `body` in a write transaction and return its result once the transaction is durable.

        Raises:
            ResourceExhausted: The disk is full. Nothing of the operation is stored.
            ReadOnly: The file system is read-only.
            Unavailable: The environment is closed, or unusable after a failed commit.
            Canceled, DeadlineExceeded: The call was cancelled before the operation ran.
            Exception: Any exception of `body`. Other operations of the same commit are not affected.
        """
        result: Result = run(ask(self, body))
        return result

    def perform(self, requests: Sequence[Request[Body]]) -> None:
        """Run many operations as `write` does, in commits shared with each other and with other threads.

        Args:
            requests: The operations.
        """
        try:
            self._gate.check()
        except Error as error:
            for request in requests:
                request.error = type(error)(str(error))
            return
        self._commits.perform(requests)

    def outage(self) -> str:
        """Return why nothing can be stored, or "" if something can. Repairs the environment if possible.

        A full disk is not an outage: snapshots can still be removed.
        """
        if self._handle.outage is None or self._handle.repair():
            return ""
        return str(self._handle.outage)

    def copy(self, descriptor: int) -> None:
        """Write a consistent copy of the file to a file descriptor. Pages are copied without being checked.

        Args:
            descriptor: A regular file's: a pipe without a reader would keep the transaction open.

        Raises:
            ResourceExhausted: The disk is full.
            Unavailable: The environment is closed.
        """
        with self._inside():
            self._handle.lmdb.copyfd(descriptor)

    def metrics(self) -> Iterator[Metric]:
        """Yield the size of the file, the space in use, and the durations of commits.

        Raises:
            Unavailable: The environment is closed.
        """
        with self._inside():
            metrics = list(size_metrics(self._handle.lmdb, self._path))
        yield from metrics
        yield from self._transactions.metrics()

    def close(self) -> None:
        """Close the environment when the open transactions have ended. Closing twice does nothing."""
        self._gate.close(self._handle.close)
