"""Mutual exclusion by key."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Hashable, Iterator
from typing import Final

from lamina.context._call import current

_SECONDS: Final = 0.1
"""The interval at which a thread that waits checks whether its call was cancelled."""


class _Entry:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        """The number of threads that hold the lock or wait for it."""


class KeyedLock:
    """A lock for each key, kept only while a thread holds it or waits for it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._entries: dict[Hashable, _Entry] = {}

    @contextlib.contextmanager
    def hold(self, key: Hashable) -> Iterator[None]:
        """Hold the lock of a key during the block.

        Raises:
            Canceled, DeadlineExceeded: The call ended while it waited.
        """
        with self._entry(key) as entry:
            while not entry.lock.acquire(timeout=_SECONDS):
                current().check()
            try:
                yield
            finally:
                entry.lock.release()

    @contextlib.contextmanager
    def try_hold(self, key: Hashable) -> Iterator[bool]:
        """Hold the lock of a key during the block if it is free, and yield whether it was."""
        with self._entry(key) as entry:
            is_held = entry.lock.acquire(blocking=False)
            try:
                yield is_held
            finally:
                if is_held:
                    entry.lock.release()

    @contextlib.contextmanager
    def _entry(self, key: Hashable) -> Iterator[_Entry]:
        with self._guard:
            entry = self._entries.setdefault(key, _Entry())
            entry.users += 1
        try:
            yield entry
        finally:
            with self._guard:
                entry.users -= 1
                if not entry.users:
                    del self._entries[key]

    def is_held(self, key: Hashable) -> bool:
        """Return whether `hold` would wait now."""
        return key in self._entries
