"""Closing of plugins when the host stops."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from lamina.errdefs import LeftBehind, message
from lamina.plugin._plugins import Plugin
from lamina.plugin.lifecycle._deadline import Worker

_log = logging.getLogger(__name__)


def close_all(plugins: Iterable[Plugin], seconds: float) -> dict[str, BaseException]:
    """Close every instance that has `close()`, the last initialised first, and log errors.

    A `close` that misses its deadline continues in a daemon thread, and the other plugins are closed anyway.

    Args:
        plugins: The records, in the order of initialisation.
        seconds: The deadline of each `close`, in seconds.

    Returns:
        The errors by URI, in the order of closing; `LeftBehind` for a `close` that missed its deadline.
    """
    problems: dict[str, BaseException] = {}
    with Worker() as worker:
        for plugin in reversed(tuple(plugins)):
            if plugin.instance is None:
                continue
            error = _close(plugin, worker, seconds)
            if error is not None:
                fields = {"id": plugin.id, "type": plugin.type, "error": message(error)}
                _log.error("failed to close plugin", extra=fields, exc_info=error)
                problems[plugin.uri] = error
    return problems


def close_late(plugin_type: str, plugin_id: str, instance: object) -> None:
    """Close an instance that init returned after its deadline, and log the result."""
    error = _try_to_close(instance)
    fields = {"id": plugin_id, "type": plugin_type}
    if error is None:
        _log.warning("closed plugin whose init missed its deadline", extra=fields)
    else:
        _log.error("failed to close plugin", extra={**fields, "error": message(error)}, exc_info=error)


def _close(plugin: Plugin, worker: Worker, seconds: float) -> BaseException | None:
    try:
        return worker.call_within(seconds, "close", plugin.uri, lambda: _try_to_close(plugin.instance))
    except (LeftBehind, RuntimeError) as error:  # RuntimeError if no thread can be started
        return error


def _try_to_close(instance: object) -> BaseException | None:
    try:
        close = getattr(instance, "close", None)
        if callable(close):
            close()
    except BaseException as error:  # noqa: BLE001 - plugins may raise anything; reported by the caller
        return error
    return None
