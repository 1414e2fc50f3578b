"""Addresses that are opened before their plugins are initialised."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import Any, Final, Self

from lamina.errdefs import PluginFailed, describe, is_interrupt, message
from lamina.plugin import Plugin, Registration, Status, Worker

_log: Final = logging.getLogger(__name__)


class Listening:
    """Results of `Registration.listen` that no instance owns yet. As a context manager, closes them at the end."""

    def __init__(self) -> None:
        """Create an empty set."""
        self._opened: dict[str, Any] = {}

    def open(
        self,
        registration: Registration[Any],
        config: object,
        properties: Mapping[str, str],
        worker: Worker,
        seconds: float,
    ) -> None:
        """Open the address of a plugin, if it has one.

        Args:
            registration: The plugin.
            config: Its decoded configuration.
            properties: The properties of its init context.
            worker: Calls the registration's `listen`.
            seconds: The deadline, in seconds.

        Raises:
            PluginFailed: The address cannot be opened.
        """
        uri = registration.uri
        if registration.listen is None:
            return
        listen = functools.partial(registration.listen, config, properties)
        try:
            self._opened[uri] = worker.call_within(seconds, "listen", uri, listen, functools.partial(_close, uri))
        except BaseException as error:
            if is_interrupt(error):
                raise
            raise PluginFailed(f"start {uri}: {describe(error)}") from error

    def get(self, uri: str) -> Any:
        """Return the result of a plugin's `listen`, or None."""
        return self._opened.get(uri)

    def settle(self, plugin: Plugin) -> None:
        """Leave the address of a plugin to its instance, or close it if the plugin does not work."""
        opened = self._opened.pop(plugin.uri, None)
        if opened is not None and plugin.status is not Status.OK:
            _close(plugin.uri, opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._opened:
            _close(*self._opened.popitem())


def _close(uri: str, opened: Any) -> None:
    try:
        opened.close()
    except BaseException as error:  # noqa: BLE001 - plugins may raise anything, even SystemExit
        _log.error("failed to close address", extra={"plugin": uri, "error": message(error)}, exc_info=error)
