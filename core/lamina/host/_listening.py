"""The addresses that are open while the plugins behind them are yet to be initialised."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from lamina.errdefs import PluginFailed, message
from lamina.plugin import Plugin, Registration, Status, call_within

_log: Final = logging.getLogger(__name__)


class Listening:
    """What `Registration.listen` returned, until an instance has it. As a context manager, closes the rest."""

    def __init__(self) -> None:
        """Begin with none."""
        self._opened: dict[str, Any] = {}

    def open(
        self, registration: Registration[Any], config: object, properties: Mapping[str, str], seconds: float
    ) -> None:
        """Open the address of a plugin, if it has one.

        Args:
            registration: The plugin.
            config: Its decoded configuration.
            properties: The properties of its init context.
            seconds: How long that may take.

        Raises:
            PluginFailed: The address cannot be opened, with the reason.
        """
        uri = registration.uri
        if registration.listen is None:
            return
        listen = functools.partial(registration.listen, config, properties)
        try:
            self._opened[uri] = call_within(seconds, "listen", uri, listen, functools.partial(_close, uri))
        except Exception as error:
            raise PluginFailed(f"start {uri}: {message(error)}") from error

    def get(self, uri: str) -> Any:
        """What was opened for a plugin; None where nothing was."""
        return self._opened.get(uri)

    def settle(self, plugin: Plugin) -> None:
        """Leave what was opened for a plugin to its instance; close it where there is none."""
        opened = self._opened.pop(plugin.uri, None)
        if opened is not None and plugin.status is not Status.OK:
            _close(plugin.uri, opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._opened:
            _close(*self._opened.popitem())


def _close(uri: str, opened: Any) -> None:
    try:
        opened.close()
    except Exception as error:  # noqa: BLE001 - a plugin may raise what it likes
        _log.error("failed to close address", extra={"plugin": uri, "error": message(error)}, exc_info=error)
