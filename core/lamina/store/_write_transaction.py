"""Running the operations of a group in one LMDB write transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import lmdb

from lamina.errdefs import Aborted, Error, ResourceExhausted
from lamina.metrics import Histogram, Metric, MetricKind
from lamina.store._errors import MapFull, translated
from lamina.store._gate import Gate
from lamina.store._handle import Handle
from lamina.store._pending import Pending, Refused, fail

OPERATIONS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0)
"""Buckets for the number of operations in a commit."""
SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Buckets for the duration of a commit, most of which is the disk's sync."""


class WriteTransactions:
    """Commits groups of operations, one at a time.

    If an operation fails, the transaction is aborted and repeated with each operation in a child transaction, so
    that it fails alone. That is rare: nearly every error is found before an operation is requested.
    """

    def __init__(self, path: str, gate: Gate, handle: Handle) -> None:
        """Commit nothing yet.

        Args:
            path: The environment's directory, for messages.
            gate: Entered during each transaction.
            handle: The environment.
        """
        self._path = path
        self._gate = gate
        self._handle = handle
        self._operations = Histogram(OPERATIONS)
        self._seconds = Histogram(SECONDS)

    def commit(self, group: list[Pending]) -> None:
        """Run operations in one transaction, durable on return, and store each one's result or error.

        Raises:
            BaseException: The commit was interrupted; every operation has an error.
        """
        if self._handle.outage is not None and not self._handle.repair():
            fail(group, self._handle.outage)
            return
        apart = False
        while True:
            try:
                self._run(group, apart=apart)
            except Refused:
                apart = True
                continue
            except MapFull:
                if self._grow(group):
                    continue
            except Exception as error:  # noqa: BLE001 - re-raised in each thread that asked for an operation
                self._give_up(group, error)
            except BaseException:
                fail(group, Aborted(f"metastore {self._path}: the commit was interrupted"))
                raise
            return

    def _run(self, group: list[Pending], *, apart: bool) -> None:
        environment = self._handle.lmdb
        with self._gate.inside():
            with translated(self._path), environment.begin(write=True) as transaction:
                for pending in group:
                    if apart:
                        pending.run_apart(environment, transaction, self._path)
                    else:
                        pending.run(transaction)
                began = time.perf_counter()
            self._handle.check_committed()
        self._operations.observe(len(group))
        self._seconds.observe(time.perf_counter() - began)

    def _give_up(self, group: list[Pending], error: Exception) -> None:
        self._recover(error)
        if isinstance(error, ResourceExhausted) and len(group) > 1:
            # An operation that needs too much space must not fail another that may even free some.
            for pending in group:
                self.commit([pending])
        else:
            fail(group, error)

    def _grow(self, group: list[Pending]) -> bool:
        """Grow the map; if that is impossible, fail the operations and return False."""
        try:
            self._handle.grow()
        except Error as error:
            fail(group, error)
            return False
        return True

    def _recover(self, error: Exception) -> None:
        """Find out whether the environment is usable after a commit failed."""
        if isinstance(error, Error) and isinstance(error.__cause__, lmdb.Error | OSError):
            self._handle.fail(error)
            self._handle.repair()

    def metrics(self) -> Iterator[Metric]:
        """Yield the number of operations in each commit, and the durations of commits."""
        for name, what, histogram in (
            ("commit_operations", "Operations that shared a commit.", self._operations),
            ("commit_seconds", "Duration of commits, until they were durable.", self._seconds),
        ):
            yield Metric(MetricKind.HISTOGRAM, f"lamina_metastore_{name}", what, {(): histogram.copy()})
