"""Warnings about plugin modules that take long to import."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final, Self

_log = logging.getLogger(__name__)

SECONDS: Final = 5.0
"""Seconds after which a warning is logged."""


class SlowImports:
    """Context manager that logs a warning, from a thread, about each import that takes long.

    An import that hangs cannot be stopped, but it can be reported.
    """

    def __init__(self) -> None:
        """Create the context manager; its thread starts with the block."""
        self._loading: tuple[float, dict[str, str]] | None = None
        """The start of the current import, by `time.monotonic()`, and its log fields. The thread is not notified
        of changes, since waking up would take the interpreter's lock from the import."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="slow imports", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self, distribution: str, entry_point: str, module: str) -> None:
        """Note that the import of a module begins, and the one before it has ended."""
        # `module` is an attribute of every log record.
        fields = {"distribution": distribution, "entry_point": entry_point, "plugin_module": module}
        self._loading = time.monotonic(), fields

    def _watch(self) -> None:
        reported = None
        left = SECONDS
        while not self._ended.wait(left):
            loading, left = self._loading, SECONDS
            if loading is None or loading is reported:
                continue
            since, fields = loading
            left = since + SECONDS - time.monotonic()
            if left <= 0:
                _log.warning("a plugin module is still loading after %g s", SECONDS, extra=fields)
                reported, left = loading, SECONDS
