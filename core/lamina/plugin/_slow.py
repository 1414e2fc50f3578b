"""Telling of plugin modules that take long to load, while they do."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final, Self

_log = logging.getLogger(__name__)

SECONDS: Final = 5.0
"""After which a module that is still loading is told of."""


class SlowLoads:
    """Warns of each module that takes long, from a thread that ends with the block.

    An import that hangs cannot be ended: but it need not stall a start without a word.
    """

    def __init__(self) -> None:
        """Warn of nothing before the block is entered."""
        self._loading: tuple[float, dict[str, str]] | None = None
        """Since when, by `time.monotonic()`, and what. The thread is not woken for it: each time it would take the
        interpreter's lock from what is imported."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="slow imports", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self, distribution: str, entry_point: str, module: str) -> None:
        """Say what is loaded from now on, in place of what was said before."""
        # `module` is an attribute of every log record.
        fields = {"distribution": distribution, "entry_point": entry_point, "plugin_module": module}
        self._loading = time.monotonic(), fields

    def _watch(self) -> None:
        told = None
        left = SECONDS
        while not self._ended.wait(left):
            loading, left = self._loading, SECONDS
            if loading is None or loading is told:
                continue
            since, fields = loading
            left = since + SECONDS - time.monotonic()
            if left <= 0:
                _log.warning("a plugin module is still loading after %g s", SECONDS, extra=fields)
                told, left = loading, SECONDS
