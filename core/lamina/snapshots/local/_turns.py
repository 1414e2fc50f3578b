"""One at a time, for each key."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator

import attrs


@attrs.define(eq=False, repr=False)
class _Turn:
    lock: threading.Lock = attrs.field(factory=threading.Lock)
    wanted: int = 0
    """How many threads hold the lock or wait for it."""


class Turns:
    """A lock for each key, kept only as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._turns: dict[Hashable, _Turn] = {}

    @contextlib.contextmanager
    def take(self, key: Hashable) -> Iterator[None]:
        """Be the only one with that key as long as the block lasts."""
        with self._guard:
            turn = self._turns.setdefault(key, _Turn())
            turn.wanted += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._guard:
                turn.wanted -= 1
                if not turn.wanted:
                    del self._turns[key]

    def taken(self, key: Hashable) -> bool:
        """Whether `take` would have to wait now."""
        return key in self._turns
