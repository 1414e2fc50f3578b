"""Shared and exclusive use of an LMDB environment."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator

from lamina.errdefs import FailedPrecondition, Unavailable


class Gate:
    """Admits any number of transactions, and on demand one thread that needs all transactions closed."""

    def __init__(self, path: str) -> None:
        """Admit transactions of this process."""
        self._path = path
        self._pid = os.getpid()
        self._forked: list[None] = []
        """Not empty in a forked child. Comparing pids instead would cost a system call for each read."""
        os.register_at_fork(after_in_child=functools.partial(self._forked.append, None))
        self._closed = False
        self._condition = threading.Condition()
        self._inside: list[None] = []
        """One item for each open transaction. Appending and popping are atomic, and faster than a lock."""
        self._alone = 0
        """The number of threads that want all transactions closed: those in `alone`, until their blocks end, and
        that of `close`, for ever. Changed under the condition."""

    @property
    def is_wanted(self) -> bool:
        """True if a thread waits for all transactions to be closed."""
        return self._alone > 0

    def check(self) -> None:
        """Raise the error that `enter` would raise.

        Raises:
            FailedPrecondition: This process was forked from the one that opened the environment.
            Unavailable: The environment is closed.
        """
        if self._forked:
            raise FailedPrecondition(
                f"metastore {self._path} was opened by process {self._pid} and must not be used in its child "
                f"{os.getpid()}: open it there, after the fork, or do not fork"
            )
        if self._closed:
            raise Unavailable(f"metastore {self._path} is closed")

    def enter(self) -> None:
        """Wait until a transaction may be opened. Call `leave` when it is closed.

        Raises:
            Error: As `check`.
        """
        if self._forked or self._closed:
            self.check()
        self._inside.append(None)
        if self._alone:  # read after the append: `alone` sees the item, or this thread sees the flag
            self._inside.pop()
            self._enter_later()

    def _enter_later(self) -> None:
        with self._condition:
            self._condition.notify_all()
            while self._alone and not self._closed:
                self._condition.wait()
            self.check()
            self._inside.append(None)

    def try_enter(self) -> bool:
        """Enter if a transaction may be opened now; return False if not."""
        if self._forked or self._closed or self._alone:
            return False
        self._inside.append(None)
        if self._alone:  # as in `enter`
            self.leave()
            return False
        return True

    def leave(self) -> None:
        """Report that a transaction is closed."""
        self._inside.pop()
        if self._alone:
            with self._condition:
                self._condition.notify_all()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Enter before the block and leave after it."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep all transactions of this process closed during the block.

        Raises:
            Error: As `check`.
        """
        with self._condition:
            self._alone += 1
            try:
                self._wait_until_empty()
                self.check()
                yield
            finally:
                self._alone -= 1
                self._condition.notify_all()

    def close(self, last: Callable[[], None]) -> None:
        """Refuse all further transactions. Closing twice, or in a forked child, does nothing.

        Args:
            last: Called once no transaction is open.
        """
        if self._forked:
            return
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._alone += 1
            self._wait_until_empty()
            last()

    def _wait_until_empty(self) -> None:
        """Wait until no transaction is open. The thread is counted in `_alone`, so that none is admitted."""
        while self._inside:
            self._condition.wait()
