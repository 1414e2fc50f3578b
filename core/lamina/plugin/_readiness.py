"""Who still has something to do before the host may say that it is ready."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Readiness:
    """Counts what is not ready yet. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: dict[object, str] = {}

    def register(self, name: str) -> Callable[[], None]:
        """Hold readiness back.

        Args:
            name: Who does so; a plugin's URI.

        Returns:
            The function that lets go. Calling it again does nothing.
        """
        token = object()
        with self._changed:
            self._pending[token] = name

        def release() -> None:
            with self._changed:
                self._pending.pop(token, None)
                self._changed.notify_all()

        return release

    def pending(self) -> tuple[str, ...]:
        """The names of those who have not let go, in order of registration."""
        with self._changed:
            return tuple(self._pending.values())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everybody has let go.

        Args:
            timeout: Seconds to wait at most; None: for ever.

        Returns:
            Whether everybody has.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout)
