"""Delays of the host's readiness."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Readiness:
    """The set of plugins that delay the readiness of a host. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: dict[object, str] = {}

    def register(self, name: str) -> Callable[[], None]:
        """Delay readiness.

        Args:
            name: The URI of the plugin that delays it.

        Returns:
            A function that ends the delay. Calling it again does nothing.
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
        """Return the names of those that delay readiness, in order of registration."""
        with self._changed:
            return tuple(self._pending.values())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing delays readiness.

        Args:
            timeout: Maximum seconds to wait; None: no limit.

        Returns:
            Whether the host is ready.
        """
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout)
