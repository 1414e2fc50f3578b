"""Telling of plugin modules that take long to load, while they do."""

from __future__ import annotations

import logging
import queue
import threading
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
        self._begun: queue.SimpleQueue[dict[str, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._watch, name="slow imports", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._begun.put(None)
        self._thread.join()

    def begin(self, distribution: str, entry_point: str, module: str) -> None:
        """Say what is loaded from now on, in place of what was said before."""
        # `module` is an attribute of every log record.
        self._begun.put({"distribution": distribution, "entry_point": entry_point, "plugin_module": module})

    def _watch(self) -> None:
        fields = self._begun.get()
        while fields is not None:
            try:
                fields = self._begun.get(timeout=SECONDS)
            except queue.Empty:
                _log.warning("a plugin module is still loading after %g s", SECONDS, extra=fields)
                fields = self._begun.get()
