"""Who may use an LMDB environment, and when."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator

from lamina.errdefs import FailedPrecondition, Unavailable


class Gate:
    """Lets a process have any number of transactions open, and now and then somebody who needs that none is."""

    def __init__(self, path: str) -> None:
        """Open for the process at hand.

        Args:
            path: The environment's directory, for messages.
        """
        self._path = path
        self._pid = os.getpid()
        self._forked: list[None] = []
        """Not empty in a forked child. Python says so, since to ask for the pid is a system call for each read."""
        os.register_at_fork(after_in_child=functools.partial(self._forked.append, None))
        self._closed = False
        self._condition = threading.Condition()
        self._inside: list[None] = []
        """As many as there are transactions open. To append and to pop is atomic, and quicker than a lock."""
        self._alone = False
        """Somebody wants no transaction to be open, and waits until none is; set under the condition."""

    @property
    def is_wanted(self) -> bool:
        """Whether somebody wants no transaction to be open."""
        return self._alone

    def check(self) -> None:
        """Do nothing while there is no reason not to enter.

        Raises:
            FailedPrecondition: This process is another one, forked from the first.
            Unavailable: It is closed.
        """
        if self._forked:
            raise FailedPrecondition(
                f"metastore {self._path} was opened by process {self._pid} and must not be used in its child "
                f"{os.getpid()}: open it there, after the fork, or do not fork"
            )
        if self._closed:
            raise Unavailable(f"metastore {self._path} is closed")

    def enter(self) -> None:
        """Open a transaction after this, and `leave` when it is closed.

        Raises:
            Error: As `check`.
        """
        if self._forked or self._closed:
            self.check()
        self._inside.append(None)
        if self._alone:  # looked at after it was appended: whoever set this before sees it, or is seen here
            self._inside.pop()
            self._enter_later()

    def _enter_later(self) -> None:
        with self._condition:
            self._condition.notify_all()
            while self._alone and not self._closed:
                self._condition.wait()
            self.check()
            self._inside.append(None)

    def leave(self) -> None:
        """Say that a transaction is closed."""
        self._inside.pop()
        if self._alone:
            with self._condition:
                self._condition.notify_all()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """A block between `enter` and `leave`."""
        self.enter()
        try:
            yield
        finally:
            self.leave()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """A block during which no transaction is open in this process.

        Raises:
            Error: As `check`.
        """
        with self._condition:
            self._alone = True
            try:
                self._wait_until_empty()
                self.check()
                yield
            finally:
                self._alone = self._closed
                self._condition.notify_all()

    def close(self, last: Callable[[], None]) -> None:
        """Let nobody in any more. Closing twice, or a copy in a forked child, does nothing.

        Args:
            last: Called when no transaction is open.
        """
        if self._forked:
            return
        with self._condition:
            if self._closed:
                return
            self._closed = self._alone = True
            self._wait_until_empty()
            last()

    def _wait_until_empty(self) -> None:
        """Wait until no transaction is open. `_alone` must be set, so that nobody enters any more."""
        while self._inside:
            self._condition.wait()
