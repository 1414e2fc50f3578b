"""Closing plugins when the host stops."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from lamina.errdefs import LeftBehind, message
from lamina.plugin._deadline import call_within
from lamina.plugin._plugins import Plugin

_log = logging.getLogger(__name__)


def close_all(plugins: Iterable[Plugin], seconds: float) -> dict[str, BaseException]:
    """Close every instance that has `close()`, the last initialised first. What goes wrong is logged.

    An instance that is not closed in time is left to go on in a daemon thread, and those that it may use are
    closed nevertheless.

    Args:
        plugins: The records, in the order in which they were initialised.
        seconds: How long each may take.

    Returns:
        What went wrong, by URI, in the order of closing; `LeftBehind` for one that was left behind.
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


def close_late(plugin_type: str, plugin_id: str, instance: object) -> None:
    """Close what an init returned when nobody waited for it any more, and log how that went."""
    error = _try_to_close(instance)
    fields = {"id": plugin_id, "type": plugin_type}
    if error is None:
        _log.warning("dropped plugin whose init ended too late", extra=fields)
    else:
        _log.error("failed to close plugin", extra={**fields, "error": message(error)}, exc_info=error)


def _close(plugin: Plugin, seconds: float) -> BaseException | None:
    try:
        return call_within(seconds, "close", plugin.uri, lambda: _try_to_close(plugin.instance))
    except (LeftBehind, RuntimeError) as error:  # the latter where no thread can be started
        return error


def _try_to_close(instance: object) -> BaseException | None:
    try:
        close = getattr(instance, "close", None)
        if callable(close):
            close()
    except BaseException as error:  # noqa: BLE001 - a plugin may raise what it likes; reported by who asked
        return error
    return None
