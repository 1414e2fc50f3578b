"""Repeat operations that failed for a temporary reason."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, TypeVar

from lamina.context import current
from lamina.registry._access import Limits
from lamina.registry.http import Temporary, TooManyRequests

_T = TypeVar("_T")
_PROGRESS: Final = 1 << 20
"""Bytes after which the count of attempts begins anew: a large blob gets through a line that is cut repeatedly,
and a registry that gives a byte at a time is given up soon."""


class Attempts:
    """Counts the attempts of an operation, and waits between them."""

    def __init__(self, limits: Limits) -> None:
        """Begin to count."""
        self._limits = limits
        self._failed = 0
        self._position = 0

    def failed(self, error: Temporary | TooManyRequests, position: int = 0) -> None:
        """Wait until the next attempt.

        Args:
            error: The failure of the last one.
            position: The progress of the operation, in bytes.

        Raises:
            Temporary, TooManyRequests: The error, if there are no further attempts.
            Canceled, DeadlineExceeded: The current call ended.
        """
        if position >= self._position + _PROGRESS:
            self._position, self._failed = position, 0
        self._failed += 1
        pause = self._pause(error.retry_after)
        if self._failed >= self._limits.attempts or pause > self._limits.longest_pause:
            raise error
        current().wait(pause)

    def _pause(self, asked: float | None) -> float:
        doubled = self._limits.pause * float(2 ** (self._failed - 1))
        own = doubled * random.uniform(0.5, 1)  # noqa: S311 - no secret
        return max(asked, own) if asked is not None else min(own, self._limits.longest_pause)


def repeated(operation: Callable[[], _T], limits: Limits) -> _T:
    """Run an operation until it does not fail for a temporary reason.

    Args:
        operation: The operation, which can be repeated.
        limits: The number of attempts, and the pauses.

    Raises:
        Error: The last error of the operation.
        Canceled, DeadlineExceeded: The current call ended.
    """
    attempts = Attempts(limits)
    while True:
        try:
            return operation()
        except (Temporary, TooManyRequests) as error:
            attempts.failed(error)
