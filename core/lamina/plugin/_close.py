"""Closing plugins when the host stops."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from lamina.errdefs import DeadlineExceeded, message
from lamina.plugin._plugins import Plugin

_log = logging.getLogger(__name__)


def close_all(plugins: Iterable[Plugin], seconds: float) -> dict[str, BaseException]:
    """Close every instance that has `close()`, the last initialised first. What goes wrong is logged.

    Python cannot end a thread: an instance that is not closed in time is left to go on in a daemon thread,
    and those that it may use are closed nevertheless.

    Args:
        plugins: The records, in the order in which they were initialised.
        seconds: How long each may take.

    Returns:
        What went wrong, by URI, in the order of closing; `DeadlineExceeded` for one that was left behind.
    """
    problems: dict[str, BaseException] = {}
    for plugin in reversed(tuple(plugins)):
        if plugin.instance is None:
            continue
        error = _close(plugin, seconds)
        if error is not None:
            fields = {"id": plugin.id, "type": plugin.type, "error": message(error)}
            _log.error("failed to close plugin", extra=fields, exc_info=error)
            problems[plugin.uri] = error
    return problems


def _close(plugin: Plugin, seconds: float) -> BaseException | None:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            close = getattr(plugin.instance, "close", None)
            if callable(close):
                close()
        except BaseException as error:  # noqa: BLE001 - reported by the thread that waits
            raised.append(error)

    thread = threading.Thread(target=run, name=f"close {plugin.uri}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return DeadlineExceeded(f"{plugin.uri}: not closed within {seconds:g} s: left behind")
    return raised[0] if raised else None
