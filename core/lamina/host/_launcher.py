"""Bringing up a plugin: init, start if it is a server, log lines and hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from lamina.config import GRPC_SERVER
from lamina.errdefs import Error
from lamina.host._listening import Listening
from lamina.host._reload import ActiveConfig
from lamina.plugin import (
    PROPERTY_GRPC_ADDRESS,
    Plugin,
    PluginSet,
    PluginType,
    Readiness,
    Registration,
    Registry,
    Status,
    Worker,
    close_all,
    initialise,
    is_retryable,
)

_log = logging.getLogger(__name__)


class Launcher:
    """Brings up the plugins of a host."""

    def __init__(
        self,
        registry: Registry,
        plugins: PluginSet,
        active: ActiveConfig,
        address: str,
        listening: Listening,
        notify: Callable[..., None],
        worker: Worker,
    ) -> None:
        """Bring up nothing yet.

        Args:
            registry: The registry with the contract of each plugin type.
            plugins: The records of the host's plugins.
            active: The configuration to initialise plugins with.
            address: Path of the gRPC socket, or "".
            listening: Addresses opened before their servers are initialised.
            notify: Calls the implementations of a hook, given its name and its arguments.
            worker: Calls the plugins. The user of the launcher ends its thread.
        """
        self.plugins = plugins
        self.worker = worker
        self._registry = registry
        self._active = active
        self._address = address
        self._listening = listening
        self._notify = notify

    def listen(self, registration: Registration[Any]) -> None:
        """Open the address of a plugin, if it has one.

        Raises:
            PluginFailed: The address cannot be opened.
        """
        config = self._active.configs.get(registration.uri)
        self._listening.open(registration, config, self._properties, self.worker, self._active.timeout("start"))

    def initialise(self, registration: Registration[Any], readiness: Readiness) -> Plugin:
        """Initialise a plugin. See `lamina.plugin.initialise`."""
        plugin = initialise(
            registration,
            config=self._active.configs.get(registration.uri),
            root=self._active.host.root,
            state=self._active.host.state,
            plugins=self.plugins,
            readiness=readiness,
            properties=self._properties,
            listening=self._listening.get(registration.uri),
            contract=self._registry.contract(registration.type),
            seconds=self._active.timeout("init"),
            worker=self.worker,
        )
        self._listening.settle(plugin)
        return plugin

    def start_server(self, plugin: Plugin) -> None:
        """Start a server that was initialised.

        Raises:
            Exception: Any exception of its `start`; `LeftBehind` if `start` missed its deadline.
        """
        start = plugin.instance.start
        self.worker.call_within(self._active.timeout("start"), "start", plugin.uri, start)
        address = {"address": self._address} if plugin.uri == GRPC_SERVER else {}
        _log.info("serving...", extra=log_fields(plugin) | address)

    def retry(self, registration: Registration[Any]) -> Plugin:
        """Initialise a plugin of a running host and, if it is a server, start it.

        The host is ready already, so a delay of readiness has no effect.

        Returns:
            The record of the plugin. FAILED, with the exception, for a server that does not start.
        """
        plugin = self.initialise(registration, Readiness())
        if plugin.type != PluginType.SERVER or plugin.status is not Status.OK:
            return plugin
        try:
            self.start_server(plugin)
        except BaseException as error:  # noqa: BLE001 # plugins may raise anything, even SystemExit
            self.close([plugin])
            retrying = is_retryable(error)
            return attrs.evolve(plugin, status=Status.FAILED, instance=None, error=error, retrying=retrying)
        return plugin

    @property
    def _properties(self) -> dict[str, str]:
        """Return the properties that all plugins have besides their directories."""
        return {PROPERTY_GRPC_ADDRESS: self._address}

    def close(self, plugins: Iterable[Plugin]) -> dict[str, BaseException]:
        """Close plugins. See `lamina.plugin.close_all`."""
        return close_all(plugins, self._active.timeout("close"))

    def report(self, plugin: Plugin) -> None:
        """Log the outcome of a plugin's init and call the hooks."""
        fields = {**log_fields(plugin), "status": plugin.status, "milliseconds": round(plugin.seconds * 1000, 1)}
        match plugin.status:
            case Status.OK:
                _log.info("loaded plugin", extra=fields)
                self._notify("lamina_initialised", plugin=plugin, plugins=self.plugins)
            case Status.SKIPPED:
                _log.info("skip loading plugin", extra={**fields, "error": plugin.reason})
                self._notify("lamina_skipped", plugin=plugin)
            case Status.FAILED | Status.BLOCKED:
                # lamina's own errors explain themselves; others may need the traceback.
                unexpected = None if isinstance(plugin.error, Error) else plugin.error
                fields["error"] = plugin.problem
                text = "failed to load plugin; it is being retried" if plugin.retrying else "failed to load plugin"
                _log.warning(text, extra=fields, exc_info=unexpected)
                self._notify("lamina_failed", plugin=plugin)


def log_fields(plugin: Plugin | Registration[Any]) -> dict[str, str]:
    """Return the log fields that identify a plugin, as in containerd."""
    return {"id": plugin.id, "type": plugin.type}
