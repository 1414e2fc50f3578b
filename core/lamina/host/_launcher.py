"""Bringing up one plugin: its init, its start if it is a server, and what the log and the hooks are told of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import attrs

from lamina.config import GRPC_SERVER
from lamina.errdefs import Error
from lamina.host._listening import Listening
from lamina.host._reload import InForce
from lamina.plugin import (
    PROPERTY_GRPC_ADDRESS,
    Plugin,
    PluginSet,
    PluginType,
    Readiness,
    Registration,
    Registry,
    Status,
    call_within,
    close_all,
    initialise,
    may_go,
)

_log = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class Launcher:
    """Brings up the plugins of a host."""

    registry: Registry
    """Has the contract of each plugin type."""
    plugins: PluginSet
    """Those of the host."""
    in_force: InForce
    """The configuration with which a plugin is initialised."""
    address: str
    """Path of the gRPC socket, or ""."""
    listening: Listening
    """The addresses that wait for their servers."""
    notify: Callable[..., None]
    """Calls a hook, given its name and its arguments."""

    def listen(self, registration: Registration[Any]) -> None:
        """Open the address of a plugin, if it has one.

        Raises:
            PluginFailed: It cannot be opened, with the reason.
        """
        config = self.in_force.configs.get(registration.uri)
        self.listening.open(registration, config, self._properties, self.in_force.timeout("start"))

    def initialise(self, registration: Registration[Any], readiness: Readiness) -> Plugin:
        """Initialise a plugin. See `lamina.plugin.initialise`.

        Args:
            registration: The plugin.
            readiness: What it may hold back.
        """
        plugin = initialise(
            registration,
            config=self.in_force.configs.get(registration.uri),
            root=Path(self.in_force.host.root),
            state=Path(self.in_force.host.state),
            plugins=self.plugins,
            readiness=readiness,
            properties=self._properties,
            listening=self.listening.get(registration.uri),
            contract=self.registry.contract(registration.type),
            seconds=self.in_force.timeout("init"),
        )
        self.listening.settle(plugin)
        return plugin

    def start_server(self, plugin: Plugin) -> None:
        """Start a server that was initialised.

        Raises:
            Exception: Whatever its `start` raised; `LeftBehind` if that did not end in time.
        """
        call_within(self.in_force.timeout("start"), "start", plugin.uri, plugin.instance.start)
        address = {"address": self.address} if plugin.uri == GRPC_SERVER else {}
        _log.info("serving...", extra=names(plugin) | address)

    def try_again(self, registration: Registration[Any]) -> Plugin:
        """Bring up a plugin of a host that runs: initialise it and, if it is a server, start it.

        Nobody waits for the readiness that it may hold back: the host was ready without it.

        Returns:
            Its record. Of a server that does not start: FAILED, with what `start` raised.
        """
        plugin = self.initialise(registration, Readiness())
        if plugin.type != PluginType.SERVER or plugin.status is not Status.OK:
            return plugin
        try:
            self.start_server(plugin)
        except Exception as error:  # noqa: BLE001 # a plugin may raise what it likes
            self.close([plugin])
            return attrs.evolve(plugin, status=Status.FAILED, instance=None, error=error, retrying=may_go(error))
        return plugin

    @property
    def _properties(self) -> dict[str, str]:
        """What every plugin is told besides its own directories."""
        return {PROPERTY_GRPC_ADDRESS: self.address}

    def close(self, plugins: Iterable[Plugin]) -> dict[str, BaseException]:
        """Close plugins. See `lamina.plugin.close_all`."""
        return close_all(plugins, self.in_force.timeout("close"))

    def tell(self, plugin: Plugin) -> None:
        """Tell the log and the hooks what became of a plugin."""
        fields = {**names(plugin), "status": plugin.status, "milliseconds": round(plugin.seconds * 1000, 1)}
        match plugin.status:
            case Status.OK:
                _log.info("loaded plugin", extra=fields)
                self.notify("lamina_initialised", plugin=plugin, plugins=self.plugins)
            case Status.SKIPPED:
                _log.info("skip loading plugin", extra={**fields, "error": plugin.reason})
                self.notify("lamina_skipped", plugin=plugin)
            case Status.FAILED | Status.BLOCKED:
                # lamina's own errors say what is wrong; of others only the traceback may.
                unexpected = None if isinstance(plugin.error, Error) else plugin.error
                fields["error"] = plugin.problem
                said = "failed to load plugin; it is tried again" if plugin.retrying else "failed to load plugin"
                _log.warning(said, extra=fields, exc_info=unexpected)
                self.notify("lamina_failed", plugin=plugin)


def names(plugin: Plugin | Registration[Any]) -> dict[str, str]:
    """A plugin as containerd's log lines name it."""
    return {"id": plugin.id, "type": plugin.type}
