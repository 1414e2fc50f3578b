"""`Shares`: a fair division of workers among backends and their methods."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TypeAlias

from lamina.errdefs import ResourceExhausted

Key: TypeAlias = tuple[str, str]
"""The backend that calls use ("" if they name none), and their method."""


class Shares:
    """Divides workers so that calls that never end leave some to all others.

    A backend may hold half of the workers that the others do not, and each of its methods half of what its other
    methods leave of that. These are the dynamic thresholds by which switches share their buffers (Choudhury and
    Hahne, 1998); they need no knowledge of the backends beforehand. Callers guard it with a lock.
    """

    def __init__(self, workers: int) -> None:
        """Create shares with all workers free."""
        self._workers = self._free = workers
        self._of_backend: defaultdict[str, int] = defaultdict(int)
        self._held: defaultdict[Key, int] = defaultdict(int)

    def may_take(self, key: Key) -> bool:
        """Return whether one more call may hold a worker."""
        left_to_backend = (self._free - self._of_backend[key[0]] + 1) // 2
        return self._held[key] < left_to_backend

    def take(self, key: Key) -> None:
        """Take a worker for a call."""
        self._free -= 1
        self._of_backend[key[0]] += 1
        self._held[key] += 1

    def give(self, key: Key) -> None:
        """Return the worker of a call."""
        self._free += 1
        self._of_backend[key[0]] -= 1
        self._held[key] -= 1

    @property
    def free(self) -> bool:
        """True if no call holds a worker."""
        return self._free == self._workers

    def held(self) -> dict[str, int]:
        """Return the number of workers that each backend holds."""
        return dict(self._of_backend)


class Holding:
    """The worker that one call holds, from when it may block until it ends."""

    def __init__(self, shares: Shares, lock: threading.Lock) -> None:
        """Create a holding without a worker of shares, which the lock guards."""
        self._shares = shares
        self._lock = lock
        self.key: Key | None = None
        """Key of the share that the worker belongs to; None if the call holds none."""

    def take(self, key: Key) -> None:
        """Take a worker, if the call holds none.

        Raises:
            ResourceExhausted: The backend or the method holds its whole share already.
        """
        if self.key is not None:
            return
        with self._lock:
            if not self._shares.may_take(key):
                raise refusal(key)
            self._shares.take(key)
            self.key = key

    def close(self) -> None:
        """Return the worker. Closing twice does nothing."""
        with self._lock:
            if self.key is not None:
                self._shares.give(self.key)
                self.key = None


def refusal(key: Key) -> ResourceExhausted:
    """Return the error for a call beyond its share."""
    backend, method = key
    whose = f"{backend}: " if backend else ""
    return ResourceExhausted(f"{whose}too many calls of {method} wait for an answer: try again later")
