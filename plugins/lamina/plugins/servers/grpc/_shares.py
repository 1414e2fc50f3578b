"""`Shares`: how many of the workers each backend, and each method on it, may hold."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TypeAlias

from lamina.errdefs import ResourceExhausted

Key: TypeAlias = tuple[str, str]
"""The backend that calls use ("" where they name none), and their method."""


class Shares:
    """Divides workers, so that whatever holds them for ever leaves some to everything else.

    A backend may hold half of the workers that the others do not, and each of its methods half of what its other
    methods leave of that. These are the dynamic thresholds by which switches share their buffers (Choudhury and
    Hahne, 1998): nothing has to be known beforehand of the backends. The caller guards it with a lock.
    """

    def __init__(self, workers: int) -> None:
        """Begin with all workers free.

        Args:
            workers: How many there are.
        """
        self._workers = self._free = workers
        self._of_backend: defaultdict[str, int] = defaultdict(int)
        self._held: defaultdict[Key, int] = defaultdict(int)

    def may_take(self, key: Key) -> bool:
        """Whether one more call may have a worker."""
        left_to_backend = (self._free - self._of_backend[key[0]] + 1) // 2
        return self._held[key] < left_to_backend

    def take(self, key: Key) -> None:
        """Have a worker held by a call."""
        self._free -= 1
        self._of_backend[key[0]] += 1
        self._held[key] += 1

    def give(self, key: Key) -> None:
        """Have it free again."""
        self._free += 1
        self._of_backend[key[0]] -= 1
        self._held[key] -= 1

    @property
    def free(self) -> bool:
        """Whether no call has any."""
        return self._free == self._workers

    def held(self) -> dict[str, int]:
        """How many workers each backend holds."""
        return dict(self._of_backend)


class Holding:
    """The worker that one call holds of a share, from when it may block until it ends."""

    def __init__(self, shares: Shares, lock: threading.Lock) -> None:
        """Hold none yet.

        Args:
            shares: Where it is taken from.
            lock: Guards them.
        """
        self._shares = shares
        self._lock = lock
        self.key: Key | None = None
        """Whose share it is; None where the call holds none."""

    def take(self, key: Key) -> None:
        """Hold one, if the call has none.

        Raises:
            ResourceExhausted: The backend or the method holds its share already.
        """
        if self.key is not None:
            return
        with self._lock:
            if not self._shares.may_take(key):
                raise refusal(key)
            self._shares.take(key)
            self.key = key

    def close(self) -> None:
        """Hold none any more. Closing twice does nothing."""
        with self._lock:
            if self.key is not None:
                self._shares.give(self.key)
                self.key = None


def refusal(key: Key) -> ResourceExhausted:
    """The error for calls of which there are too many."""
    backend, method = key
    whose = f"{backend}: " if backend else ""
    return ResourceExhausted(f"{whose}too many calls of {method} wait for an answer: try again later")
